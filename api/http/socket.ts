/**
 * One web socket: what its client says is done in the name of its key, within bounds, and when it goes everything of it
 * is freed.
 */
import { Cause, Context, Duration, Effect, Fiber, Option, Result, Stream } from "effect"
import { type Entrant, Gate, NotLetIn } from "../../actors/access/gate.ts"
import { Dispatcher } from "../../actors/dispatch/dispatcher.ts"
import { Follow, readPosition, start } from "../../actors/follow/follow.ts"
import { AgentOperator } from "../../actors/operate/agents.ts"
import { mayUse, rolesFor, type Scope } from "../../runtime/roles.ts"
import type { TaskId } from "../../runtime/task.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { Tracing } from "../../runtime/telemetry/tracing.ts"
import { Tenant } from "../../runtime/tenant.ts"
import type { Ended } from "../../runtime/view.ts"
import { TaskFailed } from "../client/errors.ts"
import { isNoted, note } from "./audit.ts"
import type { Drain } from "./drain.ts"
import { listen } from "./listening.ts"
import { type ApiError, general, generalProblem, problemOf } from "./problem.ts"
import { BodyRefused, GoingAway, NotAllowed } from "./refusals.ts"
import type { ApiServices } from "./run.ts"
import { eventText, type Frame, newsText, okText, problemText, readFrame, type Ref } from "./socket-frames.ts"
import { framesPerSecond, inFlightMax, SocketPace } from "./socket-pace.ts"
import { SocketWriter } from "./socket-writer.ts"
import { Subscriptions } from "./subscriptions.ts"
import { followingFrame } from "./traced.ts"
import { submittedJson } from "./view.ts"
import type { Wire } from "./wire.ts"

/** How long a reply is waited for when nobody says, in milliseconds. */
const waitMsDefault = 30_000

export const closes = {
  away: 1001,
  notText: 1003,
  tooFast: 1008,
  notLetIn: 4401,
  tooSlow: 4408
} as const

export interface SocketOptions {
  readonly context: Context.Context<ApiServices>
  readonly drain: Drain
  /** Whether everybody is let in while there never was a key. */
  readonly open: boolean
  /** Who was let in with the request that opened it. */
  readonly entrant: Entrant | undefined
  /** Where the app is mounted. */
  readonly base: string
  /** The trace that the request which opened it is part of. */
  readonly carried: Carried
  /** Told of who was let in, and that it is over. */
  readonly onLetIn: (entrant: Entrant) => void
  readonly onClose: () => void
}

/** What lifecycle events are subscribed to under: no task is called so. */
const allTasks = "*"

/** The frame `cancel`, as its route is called. */
const cancelling = { name: "cancelTask", method: "POST", needs: "submit" } as const

const tooFast = generalProblem(
  { status: 429, types: ["too-fast"], title: "This socket says more than it may" },
  `at most ${framesPerSecond} frames a second, and ${inFlightMax} at once`
)

export class Socket {
  readonly #options: SocketOptions
  readonly #run: ReturnType<typeof Effect.runForkWith<ApiServices>>
  readonly #writer = new SocketWriter()
  readonly #subscriptions: Subscriptions
  #entrant: Entrant | undefined
  /** Somebody shows what is to let it in, and is not let in yet: frames are handled beside each other. */
  #isEntering = false
  readonly #working = new Set<Fiber.Fiber<void>>()
  readonly #pace = new SocketPace()
  readonly openedAt = performance.now()
  /** When its client last gave a sign of life, on our monotonic clock. */
  #heardAt = this.openedAt

  constructor(options: SocketOptions) {
    this.#options = options
    this.#entrant = options.entrant
    this.#run = Effect.runForkWith(options.context)
    this.#subscriptions = new Subscriptions({
      run: this.#run,
      say: (text) => this.#writer.say(text),
      brokeOff: () => this.close(closes.away, "a subscription broke off; come back with the last ids")
    })
  }

  get isLetIn(): boolean {
    return this.#entrant !== undefined
  }

  /** For how long its client has not read, in milliseconds. */
  blockedFor(now: number): number {
    return this.#writer.blockedFor(now)
  }

  /** For how long its client has given no sign of life though nothing keeps it from that, in milliseconds. */
  silentFor(now: number): number {
    return this.#writer.isBlocked ? 0 : now - this.#heardAt
  }

  get subscriptions(): number {
    return this.#subscriptions.size
  }

  opened(wire: Wire): void {
    this.#writer.opened(wire)
    if (this.#entrant !== undefined) this.#options.onLetIn(this.#entrant)
  }

  /** What was sent has been read. */
  drained(): void {
    this.heard()
    this.#writer.drained()
  }

  heard(): void {
    this.#heardAt = performance.now()
  }

  ping(): void {
    this.#writer.ping()
  }

  close(code: number, reason: string): void {
    this.#writer.close(code, reason)
  }

  /** Its client reads too slowly, or is gone without a word: what it has not read is let go of. */
  cut(): void {
    this.#writer.cut()
  }

  /** This process goes away, or the key of the client counts no more. */
  leave(code: number, reason: string): void {
    this.#writer.sayIfRead(JSON.stringify({ event: "away", data: { reason } }))
    this.close(code, reason)
  }

  /** It is closed, by whomever. */
  closed(): void {
    if (this.#writer.isOver) return
    this.#writer.end()
    this.#options.onClose()
    this.#run(Fiber.interruptAll([...this.#subscriptions.clear(), ...this.#working]))
  }

  said(message: string | Uint8Array): void {
    this.heard()
    if (typeof message !== "string") return this.close(closes.notText, "frames are JSON texts")
    const { frame, ref } = readFrame(message)
    const pace = this.#pace.next(this.#working.size)
    if (pace === "close") return this.close(closes.tooFast, tooFast.detail!)
    if (pace === "refuse") {
      // Nobody waits for a client that does not read.
      if (!this.#writer.isBlocked) this.#work(this.#writer.say(problemText(ref, tooFast)))
      return
    }
    if (Result.isFailure(frame)) {
      return this.#work(this.#writer.say(problemText(ref, problemOf(frame.failure))))
    }
    this.#work(this.#answer(ref, frame.success))
  }

  #work(effect: Effect.Effect<void, never, ApiServices>): void {
    const fiber = this.#run(effect)
    this.#working.add(fiber)
    fiber.addObserver(() => this.#working.delete(fiber))
  }

  #answer(ref: Ref | null, frame: Frame): Effect.Effect<void, never, ApiServices> {
    const { carried, context } = this.#options
    const { op } = frame
    return followingFrame(op, carried, Context.get(context, Tracing), this.#perform(ref, frame)).pipe(
      Effect.catch((error) => this.#writer.say(problemText(ref, problemOf(error)))),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.andThen(
              Effect.logError(`${op} over a web socket failed`, cause),
              this.#writer.say(problemText(ref, generalProblem(general.internal)))
            )
      ),
      Effect.provideService(Tenant, this.#entrant?.tenant ?? "default")
    )
  }

  /** Lets a client that may do this go on. */
  #allowed(needs: Scope): Effect.Effect<void, ApiError, ApiServices> {
    const entrant = this.#entrant
    if (entrant === undefined) return Effect.fail(new NotLetIn({ shown: "nothing" }))
    if (!mayUse(entrant.role, needs)) return Effect.fail(new NotAllowed({ needs, roles: rolesFor(needs) }))
    return Effect.asVoid(Gate.use((gate) => gate.spend(entrant)))
  }

  readonly #unlessAway = Effect.suspend(() =>
    this.#options.drain.closed ? Effect.fail(new GoingAway()) : Effect.void
  )

  #perform(ref: Ref | null, frame: Frame): Effect.Effect<void, ApiError, ApiServices> {
    const ok = (more?: object) => this.#writer.say(okText(ref, more))
    const { base } = this.#options
    switch (frame.op) {
      case "auth":
        return Effect.flatMap(this.#letIn(frame), ({ role, tenant }) => ok({ tenant, role }))
      case "submit":
        return this.#allowed("submit").pipe(
          Effect.andThen(this.#unlessAway),
          Effect.andThen(Dispatcher.use((dispatcher) => dispatcher.submit(frame.given))),
          Effect.flatMap((submitted) => ok(submittedJson(submitted, base)))
        )
      case "cancel":
        return this.#allowed("submit").pipe(
          Effect.andThen(this.#cancel(frame.task, frame.reason)),
          Effect.andThen(ok({ id: frame.task, state: "cancelled" }))
        )
      case "ask":
        return this.#allowed("submit").pipe(
          Effect.andThen(this.#unlessAway),
          Effect.andThen(Dispatcher.use((dispatcher) => dispatcher.submit(frame.given))),
          Effect.flatMap(({ id }) => this.#waitFor(ref, id, frame.waitMs, "result"))
        )
      case "askAgent":
        return this.#allowed("submit").pipe(
          Effect.andThen(this.#unlessAway),
          Effect.andThen(
            AgentOperator.use((operator) => operator.tell(frame.agent, frame.key, frame.message))
          ),
          Effect.flatMap(({ id }) => this.#waitFor(ref, id, frame.waitMs, "reply"))
        )
      case "subscribe":
        return this.#allowed("follow").pipe(Effect.andThen(this.#follow(ref, frame.task, frame.after)))
      case "listen":
        return this.#allowed("read").pipe(
          Effect.andThen(
            this.#subscriptions.begin(
              allTasks,
              Stream.unwrap(listen(frame.filter, frame.after)),
              newsText,
              () => ok()
            )
          )
        )
      case "unsubscribe":
        return Effect.andThen(
          this.#subscriptions.end(frame.task ?? allTasks),
          ok(frame.task === undefined ? {} : { task: frame.task })
        )
    }
  }

  #letIn({
    key,
    ticket
  }: Extract<Frame, { readonly op: "auth" }>): Effect.Effect<Entrant, ApiError, ApiServices> {
    const refused = (path: string, message: string) =>
      Effect.fail(new BodyRefused({ faults: [{ path, message }] }))
    if (this.#entrant?.key !== undefined || this.#isEntering)
      return refused("/op", "this socket was let in before; open another one")
    if ((key === undefined) === (ticket === undefined)) return refused("/key", "say a key or a ticket")
    const shown =
      key === undefined ? { ticket: ticket!, purpose: { for: "socket" } as const } : { bearer: key }
    this.#isEntering = true
    return Gate.use((gate) => gate.admit(shown, { open: this.#options.open })).pipe(
      Effect.tap((entrant) =>
        Effect.sync(() => {
          this.#entrant = entrant
          this.#options.onLetIn(entrant)
        })
      ),
      Effect.ensuring(
        Effect.sync(() => {
          this.#isEntering = false
        })
      )
    )
  }

  /** Cancels a task; what an operator cancels is noted, as it is where the same is asked by HTTP. */
  #cancel(task: TaskId, reason: string | undefined) {
    const cancelled = Dispatcher.use((dispatcher) => dispatcher.cancel(task, reason))
    const entrant = this.#entrant
    if (entrant === undefined || !isNoted(cancelling, entrant.role)) return cancelled
    const done = { what: cancelling.name, on: `${this.#options.base}/v1/tasks/${task}/cancel` }
    return cancelled.pipe(
      Effect.tap(note(entrant, { ...done, outcome: "done" })),
      Effect.tapError((error) => note(entrant, { ...done, outcome: problemOf(error).type }))
    )
  }

  /** Answers with how a task ends, or that it has not within the time: it goes on. */
  #waitFor(ref: Ref | null, id: TaskId, waitMs = waitMsDefault, name: "result" | "reply") {
    return Dispatcher.use((dispatcher) => dispatcher.result(id, Duration.millis(waitMs))).pipe(
      Effect.asSome,
      Effect.catchTag("ResultTimeout", () => Effect.succeedNone),
      Effect.flatMap((ended: Option.Option<Ended>) => {
        if (Option.isNone(ended)) return this.#writer.say(okText(ref, { id, late: true }))
        if (ended.value.state === "succeeded")
          return this.#writer.say(okText(ref, { id, [name]: ended.value.output ?? null }))
        const { error, state } = ended.value
        return Effect.fail(new TaskFailed({ id, state, error }))
      })
    )
  }

  #follow(ref: Ref | null, task: TaskId, after: string | undefined) {
    return Effect.gen({ self: this }, function* () {
      const position = after === undefined ? start : yield* Effect.fromResult(readPosition(after))
      if (yield* Follow.use(({ isOver }) => isOver(task, position)))
        return yield* this.#writer.say(okText(ref, { task, ended: true }))
      const events = Stream.unwrap(Follow.useSync(({ follow }) => follow(task, position)))
      yield* this.#subscriptions.begin(
        task,
        events,
        (event) => eventText(task, event),
        () => this.#writer.say(okText(ref, { task }))
      )
    })
  }
}
