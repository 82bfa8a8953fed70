/** Tries malformed inputs on all targets, and says what was not refused as it should have been. */
import fc from "fast-check"
import { openApi } from "./api.ts"
import { decoders, routesOf, type Target } from "./targets.ts"

export interface Tried {
  readonly inputs: number
  readonly targets: number
  readonly failures: ReadonlyArray<string>
}

/** The longest input that a report shows, in characters. */
const shownMax = 1_500

const tryOn = async ({ name, property }: Target, runs: number, seed: number): Promise<string | undefined> => {
  const details = await fc.check(property, { numRuns: runs, seed, endOnFailure: false })
  if (!details.failed) return undefined
  const shown = JSON.stringify(details.counterexample).slice(0, shownMax)
  const error = details.errorInstance instanceof Error ? details.errorInstance.message : "failed"
  return `${name}: ${error} for ${shown} (seed ${seed}, path ${details.counterexamplePath ?? ""})`
}

/** Tries about so many inputs in all, which follow from the seed. */
export const fuzz = async (
  inputs: number,
  seed: number,
  onTarget: (name: string, runs: number) => void = () => {}
): Promise<Tried> => {
  const api = await openApi()
  const unhandled: Array<string> = []
  const note = (thrown: unknown) => unhandled.push(`nobody caught ${String(thrown)}`)
  process.on("unhandledRejection", note)
  try {
    const targets = [...decoders, ...routesOf(api)]
    const shares = targets.reduce((sum, { share }) => sum + share, 0)
    const failures: Array<string> = []
    let tried = 0
    let before = await api.keys()
    for (const target of targets) {
      const runs = Math.max(1, Math.ceil((inputs * target.share) / shares))
      onTarget(target.name, runs)
      const failure = await tryOn(target, runs, seed)
      if (failure !== undefined) failures.push(failure)
      tried += runs
      const after = await api.keys()
      const stored = after.filter((key) => !before.includes(key))
      if (stored.length > 0)
        failures.push(`${target.name}: stored ${stored.slice(0, 5).join(", ")} (seed ${seed})`)
      before = after
    }
    // It lives: what is asked of it is answered.
    const alive = await api.send({ method: "GET", path: "/healthz", headers: {} })
    if (alive !== undefined) failures.push(`it is not well afterwards: ${alive}`)
    return { inputs: tried, targets: targets.length, failures: [...failures, ...unhandled] }
  } finally {
    process.off("unhandledRejection", note)
    await api.close()
  }
}
