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
import type { Dispatcher, Done } from "./dispatcher.ts"

type Described = { readonly name?: unknown; readonly traceparent?: unknown; readonly tracestate?: unknown }

const isDescribed = (task: unknown): task is Described =>
  typeof task === "object" && task !== null && !Array.isArray(task)

/** What a span says of a task that was stored. */
export const attributesOf = (id: TaskId) => ({
  "troupe.task.id": id,
  "messaging.message.id": id,
  "messaging.destination.name": queueOf(partitionOfId(id))
})

const endSubmit = (span: Span, exit: Exit.Exit<{ readonly id: TaskId }, unknown>): void => {
  if (Exit.isSuccess(exit)) span.set(attributesOf(exit.value.id))
  endWith(span, exit)
}

export const traced = (dispatcher: Dispatcher["Service"], tracing: Tracing): Dispatcher["Service"] => {
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
    <A extends { readonly id: TaskId }, E>(what: string, does: (task: unknown) => Effect.Effect<A, E>) =>
    (task: unknown): Effect.Effect<A, E> =>
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

  const wholeThen =
    <A extends { readonly id: TaskId }, E>(
      what: string,
      does: (task: unknown, tenant: string, done: Done<A, E>) => () => void
    ) =>
    (task: unknown, tenant: string, done: Done<A, E>) => {
      const [span, carrying] = begin(what, task)
      if (span === undefined) return does(task, tenant, done)
      const leave = does(carrying, tenant, (exit) => {
        endSubmit(span, exit)
        done(exit)
      })
      return () => {
        span.end("Interrupted")
        leave()
      }
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
