/** Runs the small campaign of each planted bug, some at a time, and says which of them were found. */
import type { Violation } from "../../support/history.ts"
import { Bundles } from "../chaos/bundle.ts"
import { runCampaign } from "../chaos/campaign.ts"
import { type Plant, plants } from "./plants.ts"

export { plants } from "./plants.ts"

/** They mostly wait. */
const atOnce = 3

/** What of a campaign is the same for all: it is as small as it can be, and what never comes is not waited for. */
const small = {
  seed: 1,
  calls: 160,
  seconds: 4,
  faults: 0,
  leaseMs: 1_000,
  nodeWorkers: 0,
  workers: 2,
  submitters: ["library"],
  schedules: false,
  rest: false,
  patienceMs: 6_000
} as const

/** How many campaigns a bug is looked for in, each of another seed: processes are real, and so is chance. */
const triesMax = 4

/** Whether the bug shows as what it breaks. */
const isFound = (plant: Plant, violations: ReadonlyArray<Violation>) =>
  violations.some(({ invariant }) => plant.breaks.includes(invariant))

/** Makes what runs small campaigns. */
export const runSmall = async () => {
  const bundles = new Bundles()
  /** What a campaign comes to, with the changes in the program. */
  const verdictOn = async (
    { campaign, changes }: Pick<Plant, "campaign" | "changes">,
    seed: number = small.seed
  ) => {
    const program = await bundles.planted(changes)
    return (await runCampaign({ ...small, ...campaign, seed, program })).verdict
  }
  return {
    verdictOn,
    /** Looks for a bug until it is found, a few times at most. */
    hunt: async (plant: Plant) => {
      for (let tries = 1; ; tries++) {
        const verdict = await verdictOn(plant, small.seed + tries - 1)
        const found = isFound(plant, verdict.violations)
        if (found || tries === triesMax) return { found, tries, verdict }
      }
    },
    close: () => bundles.close()
  }
}

/** All of them, or those whose text matches. Ends with 0 when each was found, and as what it is. */
export const runPlanted = async (pattern = ""): Promise<number> => {
  const campaigns = await runSmall()
  const rest = plants.filter(({ bug }) => new RegExp(pattern).test(bug)).values()
  let [found, missed] = [0, 0]
  const go = async () => {
    for (const plant of rest) {
      const startedAt = performance.now()
      const { found: isSeen, tries, verdict } = await campaigns.hunt(plant)
      const { violations, ...counts } = verdict
      const seen = [...new Set(violations.map(({ invariant }) => invariant))].join(", ")
      if (isSeen) found += 1
      else missed += 1
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
      console.log(
        `${isSeen ? "found " : "MISSED"} ${plant.bug}: ${seen || "nothing"} (${seconds} s, ${tries} of ${triesMax} tries)`
      )
      if (!isSeen) console.log(`       ${JSON.stringify(counts)}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, go))
  campaigns.close()
  console.log(`${found} of ${found + missed} planted bugs were found`)
  return missed === 0 ? 0 : 1
}
