/**
 * Knows whether a call is made inside of a step of its run. There it may begin no other one, and submit nothing: a step that
 * is remembered is not called again, so that what was numbered inside of it would be missing from all later runs.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { Context, Effect } from "effect"
import { StepNested } from "../../runtime/handler.ts"

interface Inside {
  /** Whose step it is. */
  readonly run: object
  readonly name: string
  isOver: boolean
}

const ofPromises = new AsyncLocalStorage<Inside>()
const ofEffects = Context.Reference<Inside | undefined>("troupe/InsideStep", {
  defaultValue: () => undefined
})

const refusal = (inside: Inside | undefined, run: object) =>
  // What the step has begun may go on after it, as a connection does that it has opened.
  inside === undefined || inside.run !== run || inside.isOver
    ? undefined
    : new StepNested({ step: inside.name })

/** Runs the part of a step that is a plain function. */
export const insideStep = <A>(run: object, name: string, part: () => A | Promise<A>): Promise<A> => {
  const inside: Inside = { run, name, isOver: false }
  return ofPromises.run(inside, async () => {
    try {
      return await part()
    } finally {
      inside.isOver = true
    }
  })
}

/** Why a plain function may not begin a step here, if it may not. */
export const nestedIn = (run: object): StepNested | undefined => refusal(ofPromises.getStore(), run)

/** The part of a step that is an effect. */
export const insideStepEffect = <A, E, R>(
  run: object,
  name: string,
  part: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.provideService(part, ofEffects, { run, name, isOver: false })

/** What takes a number, unless it is inside of a step. */
export const outsideSteps = <A, E, R>(
  run: object,
  make: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StepNested, R> =>
  Effect.suspend(() =>
    Effect.flatMap(Effect.service(ofEffects), (inside): Effect.Effect<A, E | StepNested, R> => {
      const refused = refusal(inside, run) ?? nestedIn(run)
      return refused === undefined ? make() : Effect.fail(refused)
    })
  )
