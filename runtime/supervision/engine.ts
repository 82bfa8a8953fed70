/**
 * The fiber of a supervisor: it starts its children in order, does what is decided when one ends, and stops them in
 * reverse order.
 *
 * It does one thing at a time, in the order in which it hears of it: ends of children, restarts that are due, and what
 * it is asked for. Whatever it does, it can be told to stop; then it stops every child that has a fiber, in a fiber that
 * nobody interrupts. So nothing that it started is left, but for what did not stop in its time.
 */
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Queue, Random, type Scope } from "effect"
import { type ChildState, concerned, type Concerned, decide, isAlive, type Situation } from "./decision.ts"
import { ChildNotStarted, SupervisorEnded, SupervisorGaveUp } from "./errors.ts"
import { countingRestarts } from "./restarts.ts"
import { type Child, newChild, nodeOf, type Pending, withinOf } from "./roster.ts"
import { begin, monotonicMs, newRun, type Run, stop, Within } from "./run.ts"
import type { Plan, PlannedChild } from "./spec.ts"
import type { TreeNode } from "./tree.ts"
import { Reason, tell } from "./watch.ts"

/** What a supervisor hears. */
type Message =
  | { readonly kind: "ended"; readonly child: Child; readonly run: Run; readonly exit: AnyExit }
  | { readonly kind: "due"; readonly pending: Pending; readonly group: ReadonlyArray<Child> }
  | { readonly kind: "asked"; readonly work: Effect.Effect<void> }

type AnyExit = Exit.Exit<unknown, unknown>

/** Whether it goes on. */
type Next = "go on" | "shut down"

export interface Engine {
  /** Where it is in the tree. */
  readonly path: string
  /** In start order. */
  readonly children: Map<string, Child>
  readonly tree: () => TreeNode
  /** Succeeds when it was stopped, or ended by `autoShutdown`. All children have been stopped by then. */
  readonly ended: Effect.Effect<void, SupervisorGaveUp>
  /** Has work done between two messages, and by nobody else at the same time. */
  readonly ask: <A, E>(work: Effect.Effect<A, E>) => Effect.Effect<A, E | SupervisorEnded>
  /** Adds a child and starts it. One that does not start is not kept. */
  readonly add: (spec: PlannedChild) => Effect.Effect<void, ChildNotStarted>
  /** Starts a child that has no fiber. */
  readonly start: (child: Child) => Effect.Effect<void, ChildNotStarted>
  /** Stops a child, if it is alive, for good; one that is short-lived is forgotten. */
  readonly end: (child: Child) => Effect.Effect<void>
}

/** Starts a supervisor and its children; they stop as the scope closes. */
export const supervise = Effect.fnUntraced(function* (
  plan: Plan,
  specs: ReadonlyArray<PlannedChild>
): Effect.fn.Return<Engine, ChildNotStarted, Scope.Scope> {
  const clock = yield* Clock.Clock
  const outer = yield* Within
  const path = [outer?.path, plan.name].filter((part) => part !== undefined).join("/") || "supervisor"
  const simple = plan.strategy === "simple_one_for_one"
  const mailbox = yield* Queue.unbounded<Message>()
  const begun = Deferred.makeUnsafe<void, ChildNotStarted>()
  const stopAsked = Deferred.makeUnsafe<void>()
  const ended = Deferred.makeUnsafe<void, SupervisorGaveUp>()
  /** Those who wait for an answer; `undefined` once there are no more answers. */
  let asking: Set<Deferred.Deferred<unknown, unknown>> | undefined = new Set()
  const children = new Map<string, Child>()
  /** Those that may still count against the intensity. */
  let restarts: ReadonlyArray<Pending> = []
  const self: { state: ChildState; since: number } = {
    state: "starting",
    since: clock.currentTimeMillisUnsafe()
  }

  const enter = (into: { state: ChildState; since: number }, state: ChildState) => {
    into.state = state
    into.since = clock.currentTimeMillisUnsafe()
  }

  const gone = (child: Child, reason: Reason) =>
    tell(child.watchers, { supervisor: path, child: child.id, reason })

  /** Whether it is forgotten when it is gone. */
  const isShortLived = (child: Child) => simple || child.restart === "temporary"

  const forget = (child: Child) => {
    if (children.get(child.id) === child) children.delete(child.id)
  }

  /** Begins a life; `undefined` when the child was started or has nothing to do, else why not. */
  const live = Effect.fnUntraced(function* (child: Child) {
    enter(child, "starting")
    child.within = withinOf(path, child.id)
    const run = newRun()
    child.run = run
    yield* begin(run, child.spec, child.within, (exit) =>
      Queue.offerUnsafe(mailbox, { kind: "ended", child, run, exit })
    )
    const started = yield* Deferred.await(run.started)
    if (started === "running") return enter(child, "running")
    child.run = undefined
    if (started !== "ignored") return started.cause
    enter(child, "ignored")
    if (isShortLived(child)) forget(child)
    return undefined
  })

  const start = Effect.fnUntraced(function* (child: Child) {
    const cause = yield* live(child)
    if (cause === undefined) return
    enter(child, "stopped")
    return yield* new ChildNotStarted({ supervisor: path, child: child.id, cause: Cause.squash(cause) })
  })

  const add = (spec: PlannedChild) =>
    Effect.suspend(() => {
      const child = newChild(spec, path, clock.currentTimeMillisUnsafe())
      children.set(child.id, child)
      return Effect.tapError(start(child), () => Effect.sync(() => forget(child)))
    })

  /** Stops a child's life, if it has one. What did not stop in its time is left alone, and counted. */
  const halt = Effect.fnUntraced(function* (child: Child, next: "stopped" | "restarting") {
    const { run, spec } = child
    child.pending = undefined
    if (run !== undefined) {
      enter(child, "stopping")
      const inTime = yield* stop(run, spec)
      child.run = undefined
      if (!inTime) {
        child.abandoned += 1
        run.fiber?.addObserver(() => (child.abandoned -= 1))
        enter(child, next)
        if (spec.shutdownMs > 0)
          yield* Effect.logWarning(
            `${path}/${child.id} did not stop within ${spec.shutdownMs} ms, and was abandoned`
          )
        return Reason.Abandoned()
      }
      const exit = run.fiber?.pollUnsafe()
      if (exit !== undefined && Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
        yield* Effect.logWarning(`${path}/${child.id} failed while it was stopped`, exit.cause)
    }
    enter(child, next)
    return Reason.Stopped()
  })

  const end = (child: Child) =>
    Effect.map(halt(child, "stopped"), (reason) => {
      gone(child, reason)
      if (isShortLived(child)) forget(child)
    })

  const named = (ids: ReadonlyArray<string>) => ids.flatMap((id) => children.get(id) ?? [])

  /** Stops those whom a restart concerns, so that they wait for it. */
  const gather = Effect.fnUntraced(function* (pending: Pending, { forget, stop }: Concerned) {
    for (const sibling of named(stop)) {
      yield* forget.includes(sibling.id) ? end(sibling) : halt(sibling, "restarting")
      sibling.pending = pending
    }
  })

  /** Does what is decided when a life has ended, or when a child could not be started again. */
  const settle = Effect.fnUntraced(function* (
    child: Child,
    how: Situation["how"],
    exit: AnyExit,
    livedMs: number
  ): Effect.fn.Return<Next, SupervisorGaveUp> {
    const now = monotonicMs(clock)
    const decision = decide(plan, {
      ended: child,
      how,
      children: children.values(),
      restarts: restarts.map(({ at }) => at),
      now,
      streak: child.streak,
      livedMs,
      random: yield* Random.next
    })
    const said = `${path}/${child.id} ${how === "normal" ? "ended" : how === "abnormal" ? "failed" : "did not start"}`
    const cause = Exit.isFailure(exit) ? [exit.cause] : []
    if (decision._tag !== "Restart") {
      enter(child, "ended")
      gone(child, Reason.Ended({ exit }))
      if (decision._tag === "Forget") forget(child)
      if (decision._tag === "GiveUp") {
        const { intensity, periodMs } = plan
        const squashed = cause[0] === undefined ? undefined : Cause.squash(cause[0])
        return yield* new SupervisorGaveUp({
          supervisor: path,
          child: child.id,
          intensity,
          periodMs,
          cause: squashed
        })
      }
      if (how !== "normal") yield* Effect.logWarning(`${said}, and is not started again`, ...cause)
      return decision._tag === "ShutDown" ? "shut down" : "go on"
    }
    const group = named(decision.start)
    const pending: Pending = { at: Infinity }
    const counting = new Set(
      countingRestarts(
        plan,
        restarts.map(({ at }) => at),
        now
      )
    )
    restarts = [...restarts.filter(({ at }) => counting.has(at)), pending]
    child.streak = decision.streak
    enter(child, "restarting")
    yield* Effect.logWarning(`${said}; it is started again in ${decision.afterMs} ms`, ...cause)
    yield* gather(pending, decision)
    for (const sibling of group) {
      sibling.pending = pending
      if (sibling.state !== "restarting") enter(sibling, "restarting")
    }
    const due = Effect.sync(() => Queue.offerUnsafe(mailbox, { kind: "due", pending, group }))
    // In a fiber even at no delay, so that what came before is heard first: a stop, a sibling's end.
    yield* Effect.forkChild(Effect.delay(due, decision.afterMs))
    return "go on"
  })

  /**
   * Starts again those of a group that still wait for it, and those it concerns that were started meanwhile. The first
   * that does not start decides for those after it.
   */
  const restart = Effect.fnUntraced(function* (pending: Pending, waited: ReadonlyArray<Child>) {
    const first = waited.find((child) => child.pending === pending)
    const group = first && concerned(plan.strategy, first, children.values())
    if (group !== undefined) yield* gather(pending, group)
    pending.at = monotonicMs(clock)
    for (const child of named(group?.start ?? [])) {
      if (child.pending !== pending) continue
      child.restarts += 1
      const cause = yield* live(child)
      if (cause !== undefined) return yield* settle(child, "not_started", Exit.failCause(cause), 0)
      child.pending = undefined
    }
    return "go on" as const
  })

  const hear = (message: Message): Effect.Effect<Next, SupervisorGaveUp> => {
    if (message.kind === "asked") return Effect.as(message.work, "go on")
    if (message.kind === "due") return restart(message.pending, message.group)
    const { child, exit, run } = message
    // One that was stopped meanwhile.
    if (child.run !== run) return Effect.succeed("go on")
    child.run = undefined
    return settle(child, Exit.isSuccess(exit) ? "normal" : "abnormal", exit, run.endedMs! - run.bornMs!)
  }

  const loop = Effect.gen(function* () {
    for (const spec of specs) yield* add(spec)
    enter(self, "running")
    Deferred.doneUnsafe(begun, Exit.void)
    let next: Next = "go on"
    while (next === "go on") next = yield* Effect.flatMap(Queue.take(mailbox), hear)
  })

  const main = Effect.gen(function* () {
    const exit = yield* Effect.raceFirst(Effect.exit(loop), Effect.as(Deferred.await(stopAsked), Exit.void))
    enter(self, "stopping")
    for (const reply of asking ?? [])
      Deferred.doneUnsafe(reply, Effect.fail(new SupervisorEnded({ supervisor: path })))
    asking = undefined
    const living = [...children.values()].filter((child) => isAlive(child.state)).reverse()
    // Children that are all alike depend on each other in no order.
    yield* Effect.forEach(living, end, { concurrency: simple ? "unbounded" : 1, discard: true })
    enter(self, "ended")
    outer?.supervisors.delete(tree)
    // Before it has begun it cannot give up; afterwards this does nothing.
    Deferred.doneUnsafe(
      begun,
      (Exit.isFailure(exit) ? exit : Exit.interrupt()) as Exit.Exit<void, ChildNotStarted>
    )
    Deferred.doneUnsafe(ended, exit as Exit.Exit<void, SupervisorGaveUp>)
  })

  const tree = (): TreeNode => ({
    id: plan.name ?? (outer === undefined ? path : ""),
    type: "supervisor",
    ...self,
    restarts: 0,
    abandoned: 0,
    strategy: plan.strategy,
    children: [...children.values()].map(nodeOf)
  })

  const ask = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E | SupervisorEnded> =>
    Effect.suspend(() => {
      if (asking === undefined) return Effect.fail(new SupervisorEnded({ supervisor: path }))
      const reply = Deferred.makeUnsafe<A, E | SupervisorEnded>()
      const asked = asking.add(reply as Deferred.Deferred<unknown, unknown>)
      const answer = (done: Effect.Effect<A, E>) =>
        Effect.sync(() => {
          asked.delete(reply as Deferred.Deferred<unknown, unknown>)
          Deferred.doneUnsafe(reply, done)
        })
      const answered = Effect.matchEffect(work, {
        onFailure: (error) => answer(Effect.fail(error)),
        onSuccess: (value) => answer(Effect.succeed(value))
      })
      Queue.offerUnsafe(mailbox, { kind: "asked", work: answered })
      return Deferred.await(reply)
    })

  outer?.supervisors.add(tree)
  yield* Effect.acquireRelease(Effect.forkDetach(main), (fiber) => {
    Deferred.doneUnsafe(stopAsked, Exit.void)
    return Fiber.await(fiber)
  })
  yield* Deferred.await(begun)
  return { path, children, tree, ended: Deferred.await(ended), ask, add, start, end }
})
