/** A plan that fails, cut down to what it takes to fail in the same way. */
import { fine } from "./network.ts"
import type { Plan } from "./plan.ts"
import { type Options, type Outcome, simulate } from "./simulation.ts"

/** More tries than this are not made. */
const triesMax = 80

/** All plans that are a step simpler. */
const simpler = (plan: Plan): ReadonlyArray<Plan> => [
  ...(plan.weather === fine ? [] : [{ ...plan, weather: fine }]),
  ...Object.entries(plan.weather).flatMap(([kind, share]) =>
    share === 0 ? [] : [{ ...plan, weather: { ...plan.weather, [kind]: 0 } }]
  ),
  ...plan.blows.map((_, at) => ({ ...plan, blows: plan.blows.toSpliced(at, 1) })),
  ...plan.wishes.flatMap((wishes, client) =>
    [wishes.slice(0, wishes.length >> 1), wishes.slice(wishes.length >> 1)].flatMap((fewer) =>
      fewer.length < wishes.length ? [{ ...plan, wishes: plan.wishes.with(client, fewer) }] : []
    )
  )
]

/** The simplest of the plans found that break the same promise. */
export const shrink = (found: Outcome, options: Options): Outcome => {
  const [first] = found.violations
  let smallest = found
  let tries = 0
  for (let again = first !== undefined; again;) {
    again = false
    for (const plan of simpler(smallest.plan)) {
      tries += 1
      if (tries > triesMax) return smallest
      const outcome = simulate(plan, options)
      if (!outcome.violations.some(({ invariant }) => invariant === first!.invariant)) continue
      smallest = outcome
      again = true
      break
    }
  }
  return smallest
}
