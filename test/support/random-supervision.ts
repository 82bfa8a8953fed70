/**
 * A random tree of supervisors whose children end and are ended at random, and what must hold of it at any time.
 *
 * What holds is said in words of lives: when they began, when they ended, and who began them. So it is judged by what
 * the children saw, not by what the supervisors say of themselves.
 */
import { Clock, Deferred, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { ChildSpec, RestartType, Strategy } from "../../runtime/supervision/spec.ts"
import * as Supervisor from "../../runtime/supervision/supervisor.ts"
import type { Notice } from "../../runtime/supervision/watch.ts"
import type { Chance } from "./chance.ts"
import { quiet } from "./supervised.ts"

interface Plan {
  readonly path: string
  readonly strategy: Strategy
  readonly intensity: number
  readonly periodMs: number
  readonly workers: Array<Worker>
  readonly inner: Plan | undefined
  /** Counts its own lives, since a life above it may end and begin again. */
  lives: number
  handle: Supervisor.Supervisor["Service"] | undefined
}

interface Worker {
  readonly id: string
  readonly plan: Plan
  readonly place: number
  readonly restart: RestartType
  readonly shutdown: "brutal" | "infinity" | number
  readonly stopTakesMs: number
}

/** One try to start a child; `born` is whether it became a life. */
interface Life {
  readonly worker: Worker
  /** Which life of its supervisor it belongs to. */
  readonly of: number
  readonly at: number
  readonly byHand: boolean
  readonly first: boolean
  born: boolean
  /** Counted up whenever any life begins to end; `undefined` while it goes on. */
  ending: number | undefined
  over: boolean
  readonly end: Deferred.Deferred<void, unknown>
}

/** Much of what can run now has run. */
const soon = Effect.repeat(Effect.yieldNow, { times: 8 })

const planAt = (chance: Chance, path: string, depth: number): Plan => {
  const plan: Plan = {
    path,
    strategy: chance.one(["one_for_one", "one_for_all", "rest_for_one"]),
    intensity: chance.below(6),
    periodMs: 1_000 * (1 + chance.below(20)),
    workers: [],
    inner: depth > 0 && chance.of(0.6) ? planAt(chance, `${path}/inner`, depth - 1) : undefined,
    lives: 0,
    handle: undefined
  }
  const count = 1 + chance.below(4)
  for (let place = 0; place < count; place++) {
    plan.workers.push({
      id: `w${place}`,
      plan,
      place,
      restart: chance.one(["permanent", "permanent", "transient", "temporary"]),
      shutdown: chance.one(["brutal", "infinity", 500, 2_000]),
      stopTakesMs: chance.of(0.7) ? 0 : chance.below(1_500)
    })
  }
  return plan
}

/** Whether a life may still be there after its supervisor is done with it. */
const mayBeLeft = ({ shutdown, stopTakesMs }: Worker) =>
  stopTakesMs > 0 && (shutdown === "brutal" || (shutdown !== "infinity" && stopTakesMs >= shutdown))

const isLeft = ({ ending, worker }: Life) => ending !== undefined && mayBeLeft(worker)

/** Runs one, and dies with what did not hold. Says what it saw, so that a test can tell that it saw something. */
export const randomRun = (chance: Chance) =>
  Effect.gen(function* () {
    yield* TestClock.adjust(0)
    const lives: Array<Life> = []
    /** Children that somebody is about to start by hand, each as often as that is so. */
    const byHand: Array<string> = []
    const known = new Set<string>()
    const saw = { restarts: 0, gaveUp: 0, notices: 0 }
    /** Where a child found it, a throw would only end the child. */
    const faults: Array<string> = []
    let endings = 0
    let brokenShare = 0
    const root = planAt(chance, "root", 2)

    const must = (holds: boolean, what: string) => {
      if (!holds) faults.push(what)
    }
    const check = Effect.suspend(() => (faults.length === 0 ? Effect.void : Effect.die(new Error(faults[0]))))
    const nameOf = ({ id, plan }: Worker) => `${plan.path}/${id}`
    const there = (worker: Worker) =>
      lives.filter((life) => life.worker === worker && life.born && !life.over)

    const specOf = (worker: Worker): ChildSpec => ({
      id: worker.id,
      restart: worker.restart,
      shutdown: worker.shutdown,
      start: Effect.gen(function* () {
        const name = nameOf(worker)
        const key = `${name} ${worker.plan.lives}`
        const life: Life = {
          worker,
          of: worker.plan.lives,
          at: yield* Clock.currentTimeMillis,
          byHand: byHand.includes(name),
          first: !known.has(key),
          born: false,
          ending: undefined,
          over: false,
          end: Deferred.makeUnsafe()
        }
        known.add(key)
        beginning(life)
        lives.push(life)
        if (!life.first && chance.of(brokenShare)) return yield* Effect.fail("does not start")
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            life.born = true
          }),
          () =>
            Effect.gen(function* () {
              life.ending = ++endings
              if (worker.stopTakesMs > 0) yield* Effect.sleep(worker.stopTakesMs)
              life.over = true
            })
        )
        return life.end
      }).pipe(Effect.map(Deferred.await))
    })

    /** What must hold whenever a child is about to live. */
    const beginning = (life: Life) => {
      const { plan } = life.worker
      const name = nameOf(life.worker)
      for (const other of there(life.worker)) must(isLeft(other), `${name} lives twice at once`)
      if (life.byHand) return
      if (plan.strategy !== "one_for_one" || life.first)
        for (const later of plan.workers.slice(life.worker.place + 1))
          for (const other of there(later))
            must(isLeft(other), `${name} is started while ${later.id}, which comes after it, is there`)
      if (life.first) return
      saw.restarts += 1
      const recent = lives.filter(
        (other) =>
          other.worker.plan === plan &&
          other.of === life.of &&
          !other.byHand &&
          !other.first &&
          other.at > life.at - plan.periodMs &&
          (plan.strategy === "one_for_one" || other.worker === life.worker)
      )
      must(
        recent.length < plan.intensity,
        `${plan.path} restarts more than ${plan.intensity} times in its period`
      )
      must(life.worker.restart !== "temporary", `${name} is started again, and is temporary`)
    }

    const startOf = (plan: Plan) =>
      Effect.tap(
        Effect.suspend(() => {
          plan.lives += 1
          const { inner, intensity, periodMs, strategy, workers } = plan
          const nested: ReadonlyArray<ChildSpec> =
            inner === undefined
              ? []
              : [{ id: "inner", type: "supervisor", start: Effect.map(startOf(inner), ({ ended }) => ended) }]
          return Supervisor.start({
            strategy,
            intensity,
            period: periodMs,
            children: [...workers.map(specOf), ...nested]
          })
        }),
        (handle) => Effect.sync(() => (plan.handle = handle))
      ) as Effect.Effect<Supervisor.Supervisor["Service"], unknown, Scope.Scope>

    const plans: Array<Plan> = []
    for (let plan: Plan | undefined = root; plan !== undefined; plan = plan.inner) plans.push(plan)
    const scope = yield* Scope.make()
    const top = yield* Scope.provide(startOf(root), scope)

    /** Nobody waits for it: what it waits for may need time to go by. */
    const byTheWay = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkIn(Effect.exit(effect), scope)

    const watchers: Array<{ readonly name: string; readonly notices: Array<Notice> }> = []
    const watchScope = yield* Effect.scope
    const watch = Effect.fnUntraced(function* ({ handle, path }: Plan, id: string) {
      const notices: Array<Notice> = []
      watchers.push({ name: `${path}/${id}`, notices })
      const notice = yield* Scope.provide(handle!.monitor(id), watchScope)
      yield* Effect.forkIn(
        Effect.map(notice, (told) => notices.push(told)),
        watchScope
      )
    })

    const act = Effect.fnUntraced(function* () {
      const plan = chance.one(plans.filter(({ handle }) => handle !== undefined))
      const worker = chance.one(plan.workers)
      const roll = chance.below(20)
      brokenShare = chance.of(0.2) ? 0.5 : 0
      if (roll < 10) {
        for (const life of there(worker))
          yield* chance.of(0.6) ? Deferred.fail(life.end, "killed") : Deferred.succeed(life.end, undefined)
      } else if (roll < 12) yield* byTheWay(plan.handle!.terminateChild(worker.id))
      else if (roll < 14) {
        const state = (yield* plan.handle!.whichChildren).find(({ id }) => id === worker.id)?.state
        if (state === "stopped" || state === "ended") {
          byHand.push(nameOf(worker))
          yield* byTheWay(
            Effect.ensuring(
              plan.handle!.restartChild(worker.id),
              Effect.sync(() => byHand.splice(byHand.indexOf(nameOf(worker)), 1))
            )
          )
        }
      } else if (roll < 17) yield* watch(plan, worker.id)
      else yield* TestClock.adjust(chance.below(8_000))
    })

    const living = (worker: Worker) => there(worker).filter(({ ending }) => ending === undefined)

    for (let step = 0; step < 25; step++) {
      yield* act()
      if (chance.of(0.5)) yield* soon
      for (const { workers } of plans)
        for (const worker of workers) must(living(worker).length <= 1, `${nameOf(worker)} lives twice`)
      yield* check
    }

    // Whatever waits for time has had it; whatever should live does.
    brokenShare = 0
    for (let round = 0; round < 3; round++) {
      yield* TestClock.adjust("20 seconds")
      yield* quiet
    }
    for (const plan of plans) {
      const states = yield* plan.handle!.whichChildren
      for (const { id, state } of states) {
        const worker = plan.workers.find((one) => one.id === id)
        if (worker === undefined) continue
        const count = living(worker).length
        must(
          count === (state === "running" ? 1 : 0),
          `${nameOf(worker)} is ${state} and lives ${count} times`
        )
        must(
          state === "running" || state === "stopped" || state === "ended",
          `${nameOf(worker)} is still ${state}`
        )
      }
    }
    const ended = yield* Effect.forkIn(Effect.exit(top.ended), watchScope)
    yield* quiet
    const exit = ended.pollUnsafe()
    if (exit !== undefined) saw.gaveUp += 1

    const last = lives.filter((life) => life.born && life.ending === undefined)
    const stopping = yield* Effect.forkIn(Scope.close(scope, Exit.void), watchScope)
    while (stopping.pollUnsafe() === undefined) {
      yield* quiet
      yield* TestClock.adjust(100)
    }
    for (const life of lives)
      must(!life.born || life.over || isLeft(life), `${nameOf(life.worker)} is left behind`)
    const inReverse = last.toSorted(
      (one, other) =>
        other.worker.plan.path.length - one.worker.plan.path.length || other.worker.place - one.worker.place
    )
    must(
      inReverse.every(({ ending }, at) => at === 0 || ending! > inReverse[at - 1]!.ending!),
      "children are not stopped in reverse order"
    )
    // What did not stop in its time has gone on, and comes to its end.
    yield* TestClock.adjust("10 seconds")
    yield* quiet
    for (const life of lives) must(!life.born || life.over, `${nameOf(life.worker)} is never over`)
    for (const { name, notices } of watchers) {
      must(notices.length === 1, `who watches ${name} was told ${notices.length} times`)
      saw.notices += 1
    }
    yield* check
    return saw
  }).pipe(Effect.scoped)
