/**
 * One run of a handler, from the stored record to what is to be said about it.
 *
 * It never fails: whatever the handler does becomes an ending. When its fiber is interrupted, the handler's signal
 * fires and its writes are refused from that moment on; a plain function, which cannot be stopped, is then waited
 * for no longer than `stopGrace`.
 */
import { type Context, Effect, type Layer, Result } from "effect"
import { type Unfinished, unfinished, unfinishedCause } from "../../runtime/fault.ts"
import {
  type Body,
  type Checked,
  CurrentTask,
  Fatal,
  type Misfit,
  type TaskContext,
  type TaskDefinition
} from "../../runtime/handler.ts"
import type { Envelope, TaskError } from "../../runtime/record.ts"
import type { TaskId } from "../../runtime/task.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { Run } from "./context.ts"
import type { RunOf } from "./run-of.ts"

/** How long an interrupted plain function may take to stop before it is left to itself. */
const stopGrace = "1 second"

/** The largest output of a task, in bytes of JSON. */
export const outputBytesMax = 8 * 1024 * 1024

export type Ending =
  | { readonly kind: "output"; readonly json: string }
  | Unfinished
  /** It has submitted children, and goes on when these have ended; a hasty one when the first of them has failed. */
  | { readonly kind: "wait"; readonly children: ReadonlyArray<TaskId>; readonly hasty: boolean }
  /** It is not wanted any more. */
  | { readonly kind: "cancelled"; readonly error: TaskError }

/** One claimed run of a handler. */
export interface Given extends RunOf {
  readonly services: Services
}

/** Builds a handler's layer once per process; the context it makes is what its runs are given. */
export interface Services {
  (layer: Layer.Layer<unknown, unknown, unknown>): Effect.Effect<Context.Context<unknown>, unknown>
  /** Runs a handler that asks for it in a process of its own; in that process itself there is none. */
  readonly isolate?: Isolate
}

/** Runs a handler once in a process of its own. Interrupting it ends the process. */
export type Isolate = (given: Given) => Effect.Effect<Ending>

/** How a run ends whose handler ended so: what was decided before counts, whatever the handler made of it. */
export const concluded = ({ verdict }: Run, ending: Ending): Ending => {
  switch (verdict?.kind) {
    case undefined:
      return ending
    case "wait":
      return { kind: "wait", children: [...verdict.children], hasty: verdict.hasty }
    case "changed":
      return unfinished(verdict.error)
  }
}

/** A plain function, as one promise that never rejects: no effect is made for its parts, since most runs are short. */
const runPlain = async (
  definition: TaskDefinition,
  run: (input: unknown, ctx: TaskContext) => unknown,
  given: unknown,
  ctx: Run
): Promise<Ending> => {
  try {
    const checked = definition.readInput(given)
    const input = checked instanceof Promise ? await checked : checked
    if (Result.isFailure(input)) return unfinished(unfit(input.failure))
    const ending = written(definition, await run(input.success, ctx))
    return concluded(ctx, ending instanceof Promise ? await ending : ending)
  } catch (thrown) {
    return concluded(ctx, unfinished(thrown))
  } finally {
    ctx.close()
  }
}

/** Interrupts a promise: `stop` is called, and then it is waited for no longer than `stopGrace`. */
export const stoppable = <A>(start: () => Promise<A>, stop: () => void) =>
  Effect.callback<A>((resume) => {
    const ended = start().then((value) => {
      stop()
      resume(Effect.succeed(value))
    })
    return Effect.suspend(() => {
      stop()
      // A cleanup is not interruptible by itself, and so would not heed its own time limit.
      return Effect.interruptible(Effect.promise(() => ended)).pipe(
        Effect.timeoutOption(stopGrace),
        Effect.asVoid
      )
    })
  })

export const checked = (result: Checked) =>
  result instanceof Promise
    ? Effect.flatMap(
        Effect.promise(() => result),
        Effect.fromResult
      )
    : Effect.fromResult(result)

const effectful = (
  definition: TaskDefinition,
  body: Extract<Body, { readonly kind: "effect" }>,
  given: unknown,
  ctx: Run,
  services: Services
): Effect.Effect<Ending> => {
  const run = Effect.suspend(() => checked(definition.readInput(given))).pipe(
    Effect.mapError(unfit),
    Effect.flatMap((input) => body.run(input) as Effect.Effect<unknown, unknown, CurrentTask>),
    Effect.flatMap((output) => Effect.mapError(checked(definition.writeOutput(output)), misfitting)),
    Effect.provideService(CurrentTask, ctx.asService())
  )
  return endingIn(ctx.within(run), body.layer, services, ctx)
}

/** What an effect of a handler does is done for the tenant of its task. */
export const actingFor = <A>(
  { tenant }: Pick<Envelope, "tenant">,
  effect: Effect.Effect<A>
): Effect.Effect<A> => (tenant === undefined ? effect : Effect.provideService(effect, Tenant, tenant))

/** How an effect ends that is a handler's, given what its layer makes; its run closes with it. */
export const endingIn = (
  handled: Effect.Effect<unknown, unknown>,
  layer: Layer.Layer<unknown, unknown, unknown> | undefined,
  services: Services,
  run: Run
): Effect.Effect<Ending> => {
  const served =
    layer === undefined
      ? handled
      : Effect.flatMap(services(layer), (context) =>
          Effect.provideContext(handled, context as Context.Context<never>)
        )
  return served.pipe(
    Effect.matchCauseEager({ onSuccess: outputOf, onFailure: (cause): Ending => unfinishedCause(cause) }),
    Effect.map((ending) => concluded(run, ending)),
    Effect.onExit(() => Effect.sync(() => run.close()))
  )
}

/** What was valid when it was submitted and is not any more will not become so by waiting. */
export const unfit = (misfit: Misfit) => new Fatal(misfit.message, { type: "InputInvalid" })

/** Nor will what its handler makes of it. */
export const misfitting = (misfit: Misfit) => new Fatal(misfit.message, { type: "Misfit" })

/** A promise only where the schema is async. */
export const written = (
  { writeOutput }: Pick<TaskDefinition, "writeOutput">,
  output: unknown
): Ending | Promise<Ending> => {
  const decide = (result: Result.Result<unknown, Misfit>): Ending =>
    Result.isFailure(result) ? unfinished(misfitting(result.failure)) : outputOf(result.success)
  const checked = writeOutput(output)
  return checked instanceof Promise ? checked.then(decide) : decide(checked)
}

const outputOf = (output: unknown): Ending => {
  let json: string
  try {
    json = JSON.stringify(output) ?? "null"
  } catch (thrown) {
    return unfinished(thrown)
  }
  if (json.length <= outputBytesMax) return { kind: "output", json }
  const message = `the output is ${json.length} bytes of JSON; at most ${outputBytesMax} are kept`
  return { kind: "failure", failure: { fatal: true, error: { type: "OutputTooLarge", message } } }
}

/** A run of a plain function, which has started. */
export interface Started {
  /** Never rejects. */
  readonly ended: Promise<Ending>
  /** The same as an effect, for a run that is to be interrupted. */
  readonly interruptible: Effect.Effect<Ending>
}

const isIsolated = ({ definition, services }: Given) =>
  definition.isolation !== undefined && services.isolate !== undefined

/** Starts a run of a plain function in this process; `undefined` where it is another kind of handler. */
export const startPlain = (given: Given): Started | undefined => {
  const { definition, envelope } = given
  const { body } = definition
  if (body.kind !== "plain" || isIsolated(given)) return undefined
  const ctx = new Run(given)
  const ended = runPlain(definition, body.run, envelope.input, ctx)
  return {
    ended,
    interruptible: stoppable(
      () => ended,
      () => ctx.close()
    )
  }
}

/** Runs a handler once on what an entry holds. Interrupting it ends the run without an ending. */
export const attempt = (given: Given): Effect.Effect<Ending> => {
  const { definition, envelope, services } = given
  if (isIsolated(given)) return services.isolate!(given)
  const { body } = definition
  if (body.kind === "plain") return Effect.suspend(() => startPlain(given)!.interruptible)
  const ctx = new Run(given)
  switch (body.kind) {
    case "effect":
      return actingFor(envelope, effectful(definition, body, envelope.input, ctx, services))
    // Its runs wait for each other, and are handled by `actors/agent`.
    case "agent":
      return Effect.die(new Error(`${definition.name} is an agent`))
    case "batch":
      return Effect.map(attemptAll(definition, body, [{ ctx, input: envelope.input }]), ([ending]) => ending!)
  }
}

/** A run that is one of a batch. */
export interface Member {
  readonly ctx: Run
  /** As it was submitted. */
  readonly input: unknown
}

const outcomesOf = async (
  definition: TaskDefinition,
  body: Extract<Body, { readonly kind: "batch" }>,
  members: ReadonlyArray<Member>,
  signal: AbortSignal
): Promise<ReadonlyArray<Ending>> => {
  const endings: Array<Ending | undefined> = []
  const fitting: Array<{ readonly at: number; readonly item: ReturnType<Run["asItem"]> }> = []
  for (const [at, { ctx, input }] of members.entries()) {
    const read = await definition.readInput(input)
    if (Result.isFailure(read)) endings[at] = unfinished(unfit(read.failure))
    else fitting.push({ at, item: ctx.asItem(read.success) })
  }
  if (fitting.length > 0) {
    const outcomes: unknown = await body.runAll(
      fitting.map(({ item }) => item),
      { signal }
    )
    if (!Array.isArray(outcomes) || outcomes.length !== fitting.length) {
      const got = Array.isArray(outcomes) ? `${outcomes.length} outcomes` : "no list of outcomes"
      throw new Fatal(`runAll gave ${got} for ${fitting.length} items`, { type: "BatchMismatch" })
    }
    // Each may be a promise, as where it is made by an async function.
    const ended = await Promise.allSettled<unknown>(outcomes)
    for (const [k, { at }] of fitting.entries()) {
      const outcome = ended[k]!
      const value: unknown = outcome.status === "rejected" ? outcome.reason : outcome.value
      const isFailure = outcome.status === "rejected" || value instanceof Error
      endings[at] = isFailure ? unfinished(value) : await written(definition, value)
    }
  }
  return endings as ReadonlyArray<Ending>
}

/** Runs many tasks of one handler in one call, and gives each its own ending, in their order. */
export const attemptAll = (
  definition: TaskDefinition,
  body: Extract<Body, { readonly kind: "batch" }>,
  members: ReadonlyArray<Member>
): Effect.Effect<ReadonlyArray<Ending>> =>
  Effect.suspend(() => {
    const abort = new AbortController()
    return stoppable(
      () =>
        outcomesOf(definition, body, members, abort.signal).catch((thrown: unknown) =>
          members.map(() => unfinished(thrown))
        ),
      () => {
        for (const { ctx } of members) ctx.close()
        abort.abort()
      }
    )
  })
