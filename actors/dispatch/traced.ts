/**
 * A dispatcher whose submits are spans: each begins where its caller says, or a trace of its own, and what it stores
 * carries on from there. Where nothing is recorded it is the dispatcher itself, and a task keeps what its caller said.
 */
import { Effect, Exit, Fiber, Result } from "effect"
import { followedBy } from "../../runtime/telemetry/following.ts"
import { type Carried, carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { endWith, type Span, type Tracing } from "../../runtime/telemetry/tracing.ts"
import { queueOf, partitionOfId, type TaskId } from "../../runtime/task.ts"
import { Tenant } from "../../runtime/tenant.ts"

interface Stored {
  readonly id: TaskId
}

type Done<A, E> = (exit: Exit.Exit<A, E>) => void

/** What submits, of whatever kind: what it answers with and fails with is its own. */
interface Submits<
  A extends Stored,
  E,
  Asked extends Stored,
  AskE,
  Refused extends { readonly _tag: string },
  BatchE
> {
  readonly submit: (task: unknown) => Effect.Effect<A, E>
  readonly ask: (task: unknown) => Effect.Effect<Asked, AskE>
  readonly submitAll: (
    tasks: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Result.Result<A, Refused>>, BatchE>
  readonly submitThen: (task: unknown, tenant: string, done: Done<A, E>) => () => void
  readonly askThen: (task: unknown, tenant: string, done: Done<Asked, AskE>) => () => void
}

type Described = { readonly name?: unknown; readonly traceparent?: unknown; readonly tracestate?: unknown }

const isDescribed = (task: unknown): task is Described =>
  typeof task === "object" && task !== null && !Array.isArray(task)

/** What a span says of a task that was stored. */
export const attributesOf = (id: TaskId) => ({
  "troupe.task.id": id,
  "messaging.message.id": id,
  "messaging.destination.name": queueOf(partitionOfId(id))
})

const endSubmit = (span: Span, exit: Exit.Exit<Stored, unknown>): void => {
  if (Exit.isSuccess(exit)) span.set(attributesOf(exit.value.id))
  endWith(span, exit)
}

export const traced = <
  A extends Stored,
  E,
  Asked extends Stored,
  AskE,
  Refused extends { readonly _tag: string },
  BatchE,
  Rest
>(
  dispatcher: Submits<A, E, Asked, AskE, Refused, BatchE> & Rest,
  tracing: Tracing
): Submits<A, E, Asked, AskE, Refused, BatchE> & Rest => {
  if (!tracing.on) return dispatcher

  /** A span, and the task that carries it on. What nobody can read goes on as it is, to be refused. */
  const begin = (
    what: string,
    task: unknown,
    followed: Carried = {}
  ): readonly [Span | undefined, unknown] => {
    if (!isDescribed(task) || typeof task.name !== "string") return [undefined, task]
    const said = carriedIn(task)
    if (task.traceparent !== undefined && said.traceparent === undefined) return [undefined, task]
    const parent = task.traceparent === undefined ? followed : said
    const span = tracing.begin(`${what} ${task.name.slice(0, 128)}`, {
      parent,
      kind: "producer",
      attributes: { "messaging.system": "troupe", "messaging.operation.type": "send" }
    })
    return [span, { ...task, ...span.carried }]
  }

  const whole =
    <B extends Stored, BE>(what: string, does: (task: unknown) => Effect.Effect<B, BE>) =>
    (task: unknown): Effect.Effect<B, BE> =>
      Effect.withFiber((fiber) => {
        const [span, carrying] = begin(what, task, followedBy(fiber))
        if (span === undefined) return does(task)
        return Effect.onExit(does(carrying), (exit) => Effect.sync(() => endSubmit(span, exit)))
      })

  const submit = whole("submit", dispatcher.submit)
  const ask = whole("ask", dispatcher.ask)

  /** A span has its fiber. */
  const inFiber =
    <A, E>(does: (task: unknown) => Effect.Effect<A, E>) =>
    (task: unknown, tenant: string, done: Done<A, E>) => {
      const fiber = Effect.runFork(Effect.provideService(does(task), Tenant, tenant))
      fiber.addObserver(done)
      return () => void Effect.runFork(Fiber.interrupt(fiber))
    }

  return {
    ...dispatcher,
    submit,
    ask,
    submitThen: inFiber(submit),
    askThen: inFiber(ask),
    submitAll: (tasks) =>
      Effect.withFiber((fiber) => {
        const followed = followedBy(fiber)
        const begun = tasks.map((task) => begin("submit", task, followed))
        return Effect.onExit(dispatcher.submitAll(begun.map(([, task]) => task)), (exit) =>
          Effect.sync(() => {
            for (const [at, [span]] of begun.entries()) {
              if (span === undefined) continue
              const answer = Exit.isSuccess(exit) ? exit.value[at] : undefined
              if (answer === undefined) endWith(span, exit)
              else if (Result.isFailure(answer)) span.end(answer.failure._tag)
              else {
                span.set(attributesOf(answer.success.id))
                span.end()
              }
            }
          })
        )
      })
  }
}
