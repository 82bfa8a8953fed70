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

/** Makes what runs small campaigns. */
export const runSmall = async () => {
  const bundles = new Bundles()
  return {
    /** What a campaign comes to, with the changes in the program. */
    verdictOn: async ({ campaign, changes }: Pick<Plant, "campaign" | "changes">) => {
      const program = await bundles.planted(changes)
      return (await runCampaign({ ...small, ...campaign, program })).verdict
    },
    close: () => bundles.close()
  }
}

/** Whether the bug shows as what it breaks. */
export const isFound = (plant: Plant, violations: ReadonlyArray<Violation>) =>
  violations.some(({ invariant }) => plant.breaks.includes(invariant))

/** All of them, or those whose text matches. Ends with 0 when each was found, and as what it is. */
export const runPlanted = async (pattern = ""): Promise<number> => {
  const campaigns = await runSmall()
  const rest = plants.filter(({ bug }) => new RegExp(pattern).test(bug)).values()
  let [found, missed] = [0, 0]
  const go = async () => {
    for (const plant of rest) {
      const startedAt = performance.now()
      const { violations, ...counts } = await campaigns.verdictOn(plant)
      const isSeen = isFound(plant, violations)
      const seen = [...new Set(violations.map(({ invariant }) => invariant))].join(", ")
      if (isSeen) found += 1
      else missed += 1
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
      console.log(`${isSeen ? "found " : "MISSED"} ${plant.bug}: ${seen || "nothing"} (${seconds} s)`)
      if (!isSeen) console.log(`       ${JSON.stringify(counts)}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, go))
  campaigns.close()
  console.log(`${found} of ${found + missed} planted bugs were found`)
  return missed === 0 ? 0 : 1
}
