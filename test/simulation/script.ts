/** What the clients of a simulation ask for: a script that follows from the seed, and is written into the history. */
import { Duration, Effect, Result, Stream } from "effect"
import type { Troupe } from "../../api/client/effect.ts"
import type { SubmitOptions } from "../../api/client/submission.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { Chance } from "../support/chance.ts"
import type { HistoryEvent, Terms } from "../support/history.ts"
import { everyMs, type Workload } from "./workload.ts"

/** One thing to be asked for, some time after the beginning. */
export interface Wish {
  readonly label: string
  readonly afterMs: number
  readonly kind:
    | "quick"
    | "steps"
    | "stubborn"
    | "flaky"
    | "failing"
    | "limited"
    | "parent"
    | "keyed"
    | "agent"
    | "schedule"
    | "pause"
    | "ask"
    | "burst"
  readonly waitMs: number
  readonly delayMs: number | undefined
  /** Whether it is said again until an answer is heard. */
  readonly guarded: boolean
  /** Whether it is said once more after it was heard. */
  readonly twice: boolean
  /** Cancelled so much later. */
  readonly cancelMs: number | undefined
  /** Whether somebody follows it. */
  readonly followed: boolean
}

const kinds: ReadonlyArray<Wish["kind"]> = [
  ...(["quick", "quick", "steps", "steps", "stubborn", "flaky", "failing", "limited"] as const),
  ...([
    "parent",
    "keyed",
    "keyed",
    "keyed",
    "agent",
    "agent",
    "agent",
    "schedule",
    "pause",
    "ask",
    "burst"
  ] as const)
]

/** So many wishes within so many milliseconds. */
export const wishesOf = (chance: Chance, count: number, withinMs: number): ReadonlyArray<Wish> =>
  Array.from({ length: count }, (_, at): Wish => {
    const kind = chance.one(kinds)
    const afterMs = chance.below(withinMs)
    return {
      label: `${kind}-${at}`,
      kind,
      afterMs,
      waitMs: chance.of(0.5) ? 0 : chance.below(chance.of(0.1) ? 4_000 : 200),
      delayMs: chance.of(0.2) ? chance.below(2_000) : undefined,
      guarded: chance.of(0.6),
      twice: chance.of(0.2),
      cancelMs: chance.of(0.12) ? chance.below(600) : undefined,
      followed: chance.of(0.15)
    }
  })

/** How many tasks a burst has that end at once, and how many after them that do not. */
const burst = { swift: 24, lasting: 8 }

/** Keys and agents that wishes share, so that they meet. */
export const keys = ["a", "b"]

export const agentKeys = ["x", "y"]

export interface Notes {
  readonly note: (event: HistoryEvent) => void
  /** Who asks: what it has not heard of when it dies, it never will. */
  readonly me: string
  readonly workload: Workload
}

/** How long whoever got no answer waits before it asks again. */
const againMs = 50
/** Whoever has a guard asks so often; then it gives up. */
const asksMax = 200

/** Everything that one client asks for. It ends when all of it was answered. */
export const scriptOf =
  ({ me, note, workload }: Notes, wishes: ReadonlyArray<Wish>) =>
  (troupe: Troupe["Service"]) => {
    /** Says something until there is an answer. */
    const untilAnswered = <A, E>(ask: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        for (let asked = 0; ; asked++) {
          const answer = yield* Effect.result(ask)
          if (Result.isSuccess(answer) || !isUnknown(answer.failure) || asked === asksMax) return answer
          yield* Effect.sleep(againMs)
        }
      })

    /** What came of a submit. */
    const heard = (label: string, answer: Result.Result<{ readonly id: string }, unknown>) => {
      if (Result.isSuccess(answer)) note({ op: "submit", phase: "ok", label, task: answer.success.id })
      else note({ op: "submit", phase: isUnknown(answer.failure) ? "unknown" : "fail", label })
    }

    const submit = Effect.fnUntraced(function* (
      { guarded, label, twice }: Wish,
      terms: Terms,
      ask: (guard: Pick<SubmitOptions, "idempotencyKey">) => Effect.Effect<{ readonly id: string }, unknown>
    ) {
      const guard = guarded ? { idempotencyKey: label } : {}
      note({
        op: "submit",
        phase: "invoke",
        label,
        terms: { ...terms, ...guard, ...(guarded ? { work: label } : {}) }
      })
      const answer = yield* guarded ? untilAnswered(ask(guard)) : Effect.result(ask(guard))
      heard(label, answer)
      if (Result.isSuccess(answer)) {
        if (guarded && twice) {
          const second = yield* untilAnswered(ask(guard))
          if (Result.isSuccess(second)) heard(label, second)
        }
        return answer.success.id
      }
      return undefined
    })

    const followed = (label: string, id: string) =>
      troupe.events(id).pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            const about = { op: "follow", follower: `${me}/${label}`, task: id } as const
            if ("seq" in event)
              note({
                ...about,
                event: `${event.attempt}-${event.seq}`,
                ...(event.type === "chunk" ? { name: String(event.chunk) } : {})
              })
            else if (event.type === "end" || event.type === "gap") note({ ...about, event: event.type })
          })
        ),
        Effect.ignore
      )

    const cancelled = Effect.fnUntraced(function* (label: string, id: string) {
      note({ op: "cancel", phase: "invoke", label, task: id })
      const answer = yield* untilAnswered(troupe.cancel(id))
      const phase = Result.isSuccess(answer) ? "ok" : isUnknown(answer.failure) ? "unknown" : "fail"
      note({ op: "cancel", phase, label, task: id })
    })

    const task = (wish: Wish, definition: TaskDefinition, terms: Terms, options: SubmitOptions = {}) =>
      submit(wish, wish.delayMs === undefined ? terms : { ...terms, delayMs: wish.delayMs }, (guard) =>
        troupe.submit(
          definition,
          { label: wish.label, waitMs: wish.waitMs },
          {
            ...options,
            ...guard,
            ...(wish.delayMs === undefined ? {} : { delay: wish.delayMs })
          }
        )
      )

    const done = (wish: Wish): Effect.Effect<string | undefined, unknown> => {
      const { cancelMs, kind, label, waitMs } = wish
      const state = cancelMs === undefined ? "succeeded" : "succeeded|cancelled"
      switch (kind) {
        case "quick":
        case "steps":
        case "stubborn":
        case "limited":
          return task(wish, workload[kind], { state })
        case "flaky":
          return task(wish, workload.flaky, { state, runs: 2 })
        case "failing":
          return task(wish, workload.failing, {
            state: cancelMs === undefined ? "failed" : "failed|cancelled",
            runs: 2
          })
        case "parent":
          // Its first run ends at its children, its second when they have ended; in between one may end.
          return task(wish, workload.parent, { state, runs: 3 })
        case "keyed":
        case "agent":
          // What belongs together is said one after the other, elsewhere.
          return Effect.undefined
        case "burst":
          return inOne(wish)
        case "ask":
          return Effect.as(
            Effect.ignore(troupe.ask(workload.quick, { label, waitMs }, { timeout: "5 seconds" })),
            undefined
          )
        case "pause":
          return Effect.gen(function* () {
            yield* untilAnswered(troupe.queues.pause("other"))
            yield* Effect.sleep(waitMs)
            yield* untilAnswered(troupe.queues.resume("other"))
            return undefined
          })
        case "schedule":
          return Effect.gen(function* () {
            const made = yield* untilAnswered(
              troupe.schedules.create(
                workload.tick,
                { label, waitMs: 0 },
                { id: label, every: Duration.millis(everyMs), missed: "skip" }
              )
            )
            if (Result.isFailure(made)) return undefined
            yield* Effect.sleep(waitMs + 1_500)
            yield* untilAnswered(troupe.schedules.delete(label))
            return undefined
          })
      }
    }

    /** Whoever runs these has claimed the last of them for places that seemed to come free. */
    const inOne = Effect.fnUntraced(function* ({ label, waitMs }: Wish) {
      const inputs = Array.from({ length: burst.swift + burst.lasting }, (_, at) => ({
        label: `${label}/${at}`,
        waitMs: at < burst.swift ? 0 : waitMs
      }))
      for (const { label } of inputs)
        note({ op: "submit", phase: "invoke", label, terms: { state: "succeeded" } })
      const answer = yield* Effect.result(
        troupe.submitAll(inputs.map((input) => ({ task: workload.quick, input })))
      )
      for (const [at, { label }] of inputs.entries())
        heard(label, Result.isFailure(answer) ? Result.fail(answer.failure) : answer.success[at]!)
      return undefined
    })

    const wished = Effect.fnUntraced(function* (wish: Wish) {
      yield* Effect.sleep(wish.afterMs)
      const id = yield* done(wish)
      if (id === undefined) return
      if (wish.followed) yield* Effect.forkChild(followed(wish.label, id))
      if (wish.cancelMs === undefined) return
      yield* Effect.sleep(wish.cancelMs)
      yield* cancelled(wish.label, id)
    })

    /** Wishes of one key, in an order that all can see: each is said when the one before was heard. */
    const inOrder = (wishes: ReadonlyArray<Wish>, say: (wish: Wish) => Effect.Effect<unknown>) =>
      Effect.forEach(wishes, (wish) => Effect.andThen(Effect.sleep(wish.waitMs), say(wish)), {
        discard: true
      })

    const keyed = keys.map((key, at) =>
      inOrder(
        wishes.filter((wish, index) => wish.kind === "keyed" && index % keys.length === at),
        (wish) =>
          task(
            { ...wish, delayMs: undefined },
            workload.quick,
            { key: `${me}/${key}`, state: "succeeded" },
            { key: `${me}/${key}` }
          )
      )
    )

    const told = agentKeys.map((key, at) =>
      inOrder(
        wishes.filter((wish, index) => wish.kind === "agent" && index % agentKeys.length === at),
        (wish) =>
          submit(wish, { agent: `${me}-${key}`, state: "succeeded" }, () =>
            troupe
              .agent(workload.notebook, `${me}-${key}`)
              .tell(
                "note",
                { label: wish.label, waitMs: wish.waitMs },
                wish.guarded ? { dedupe: wish.label } : {}
              )
          )
      )
    )

    return Effect.all([...wishes.map(wished), ...keyed, ...told], {
      concurrency: "unbounded",
      discard: true
    })
  }

/** Whether it may have happened all the same. */
const isUnknown = (error: unknown) =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "StoreError"
