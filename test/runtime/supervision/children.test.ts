/** What OTP's `supervisor_SUITE` says of administering children; see `supervisor.test.ts` for the cases. */
import { describe, expect } from "bun:test"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  ChildAlive,
  ChildKnown,
  ChildNotStarted,
  ChildrenFull,
  NoSuchChild
} from "../../../runtime/supervision/errors.ts"
import { type ChildSpec } from "../../../runtime/supervision/spec.ts"
import * as Supervisor from "../../../runtime/supervision/supervisor.ts"
import { render } from "../../../runtime/supervision/tree.ts"
import { it } from "../../support/effect.ts"
import { Broken, idle, newStage, nothingToDo, quiet, started, statesOf } from "../../support/supervised.ts"

describe("a child of a supervisor", () => {
  it.effect("can be terminated, restarted in its old place, deleted and started anew", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const { supervisor } = yield* started(Supervisor.start({ children: [part("a"), part("b")] }))
      happened()

      yield* supervisor.terminateChild("a")
      expect(yield* statesOf(supervisor)).toEqual(["a stopped", "b running"])
      yield* supervisor.restartChild("a")
      expect(yield* statesOf(supervisor)).toEqual(["a running", "b running"])
      yield* supervisor.terminateChild("a")
      yield* supervisor.deleteChild("a")
      expect(yield* statesOf(supervisor)).toEqual(["b running"])
      yield* supervisor.startChild(part("a"))

      expect(yield* statesOf(supervisor)).toEqual(["b running", "a running"])
      expect(happened()).toEqual(["stop a", "start a", "stop a", "start a"])
    })
  )

  it.effect("that is alive is neither restarted nor deleted by hand", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({ children: [idle("a")] }))

      expect(yield* Effect.flip(supervisor.restartChild("a"))).toEqual(
        new ChildAlive({ supervisor: "supervisor", child: "a", state: "running" })
      )
      expect(yield* Effect.flip(supervisor.deleteChild("a"))).toBeInstanceOf(ChildAlive)
    })
  )

  it.effect("that is not there is neither terminated, restarted nor deleted", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({}))

      for (const act of [supervisor.terminateChild, supervisor.restartChild, supervisor.deleteChild])
        expect(yield* Effect.flip(act("a") as Effect.Effect<void, unknown>)).toBeInstanceOf(NoSuchChild)
    })
  )

  it.effect("may be terminated twice", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({ children: [idle("a")] }))

      yield* supervisor.terminateChild("a")
      yield* supervisor.terminateChild("a")

      expect(yield* statesOf(supervisor)).toEqual(["a stopped"])
    })
  )

  it.effect("is not started a second time under one id, alive or not", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({ children: [idle("a"), nothingToDo("b")] }))

      expect(yield* Effect.flip(supervisor.startChild(idle("a")))).toMatchObject({
        _tag: "ChildKnown",
        state: "running"
      })
      expect(yield* Effect.flip(supervisor.startChild(idle("b")))).toBeInstanceOf(ChildKnown)
    })
  )

  it.effect("that cannot be started is not kept when it is new, and kept when it was known", () =>
    Effect.gen(function* () {
      const { part } = newStage()
      let broken = false
      const { supervisor } = yield* started(
        Supervisor.start({ children: [part("a", { startFails: () => broken })] })
      )
      yield* supervisor.terminateChild("a")
      broken = true

      expect(yield* Effect.flip(supervisor.restartChild("a"))).toBeInstanceOf(ChildNotStarted)
      expect(yield* Effect.flip(supervisor.startChild(part("b", { startFails: () => true })))).toBeInstanceOf(
        ChildNotStarted
      )
      expect(yield* statesOf(supervisor)).toEqual(["a stopped"])
    })
  )

  it.effect("has a start that dies like one that fails", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({}))

      const error = yield* Effect.flip(
        supervisor.startChild({ id: "a", start: Effect.die(new Broken({ message: "boom" })) })
      )

      expect(error).toBeInstanceOf(ChildNotStarted)
    })
  )

  it.effect("is refused when there are as many as there may be, and nothing is started", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const { supervisor } = yield* started(Supervisor.start({ childrenMax: 1, children: [idle("a")] }))

      expect(yield* Effect.flip(supervisor.startChild(part("b")))).toBeInstanceOf(ChildrenFull)
      expect(happened()).toEqual([])
    })
  )

  it.effect("has started, with all that its start acquired, when startChild returns", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({}))
      const info = yield* Deferred.make<string>()

      yield* supervisor.startChild({
        id: "a",
        start: Effect.as(Deferred.succeed(info, "extra"), Effect.never)
      })

      expect(yield* Deferred.isDone(info)).toBe(true)
    })
  )

  it.effect("that is temporary is forgotten with its start when it is gone", () =>
    Effect.gen(function* () {
      const { fail, finish, part } = newStage()
      const temporary = { restart: "temporary" } as const
      const { supervisor } = yield* started(
        Supervisor.start({ children: [part("a", temporary), part("b", temporary), part("c", temporary)] })
      )

      yield* finish("a")
      yield* fail("b")
      yield* supervisor.terminateChild("c")

      expect(yield* supervisor.whichChildren).toEqual([])
      expect(yield* Effect.flip(supervisor.restartChild("a"))).toBeInstanceOf(NoSuchChild)
    })
  )

  it.effect("that ends in the moment it is told to stop is stopped, and not restarted", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const end = yield* Deferred.make<void>()
      const racing: ChildSpec = { id: "a", start: Effect.succeed(Deferred.await(end)) }
      const { supervisor } = yield* started(Supervisor.start({ children: [racing, part("b")] }))

      const terminating = yield* Effect.forkChild(supervisor.terminateChild("a"), { startImmediately: true })
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(terminating)
      yield* quiet

      expect(yield* statesOf(supervisor)).toEqual(["a stopped", "b running"])
      expect(happened()).toEqual(["start b"])
    })
  )

  it.effect("can stop itself, and so end the wait for its own end", () =>
    Effect.gen(function* () {
      const handle = yield* Deferred.make<Supervisor.Supervisor["Service"]>()
      const suicidal: ChildSpec = {
        id: "a",
        start: Effect.succeed(
          Effect.flatMap(Deferred.await(handle), ({ terminateChild }) => terminateChild("a"))
        )
      }
      const { supervisor } = yield* started(Supervisor.start({ children: [suicidal] }))

      yield* Deferred.succeed(handle, supervisor)
      yield* quiet

      expect(yield* statesOf(supervisor)).toEqual(["a stopped"])
    })
  )
})

describe("what a supervisor says of its children", () => {
  it.effect("counts specs, those that run, supervisors and workers", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(
        Supervisor.start({
          children: [idle("a"), nothingToDo("b"), Supervisor.child({ id: "c" }, { children: [idle("d")] })]
        })
      )
      expect(yield* supervisor.countChildren).toEqual({ specs: 3, active: 2, supervisors: 1, workers: 2 })

      yield* supervisor.terminateChild("c")

      expect(yield* supervisor.countChildren).toEqual({ specs: 3, active: 1, supervisors: 1, workers: 2 })
    })
  )

  it.effect("does not count those as running that wait to be restarted", () =>
    Effect.gen(function* () {
      const { fail, part } = newStage()
      let broken = false
      const { supervisor } = yield* started(
        Supervisor.start({ intensity: 10, children: [part("a", { startFails: () => broken }), part("b")] })
      )
      broken = true

      yield* fail("a")

      expect(yield* statesOf(supervisor)).toEqual(["a restarting", "b running"])
      expect((yield* supervisor.countChildren).active).toBe(1)
    })
  )

  it.effect("names them in start order", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({ children: [idle("b"), idle("a")] }))
      yield* supervisor.startChild(idle("c", { restart: "transient", type: "supervisor" }))

      expect(yield* supervisor.whichChildren).toEqual([
        { id: "b", type: "worker", restart: "permanent", state: "running" },
        { id: "a", type: "worker", restart: "permanent", state: "running" },
        { id: "c", type: "supervisor", restart: "transient", state: "running" }
      ])
    })
  )

  it.effect("prints the whole tree as it is now", () =>
    Effect.gen(function* () {
      const { fail, part } = newStage()
      const { supervisor } = yield* started(
        Supervisor.start({
          name: "shop",
          strategy: "rest_for_one",
          intensity: 10,
          children: [
            part("redis"),
            Supervisor.child(
              { id: "pool" },
              { intensity: 10, children: [part("one"), part("two", { restart: "transient" })] }
            ),
            part("api", { shutdown: "brutal", stopTakes: "1 hour" })
          ]
        })
      )
      yield* TestClock.adjust("90 seconds")
      yield* fail("two")
      yield* fail("api")
      yield* supervisor.terminateChild("api")

      expect(render(yield* supervisor.tree)).toBe(
        [
          "shop (rest_for_one)  running  0 restarts  since 1970-01-01T00:00:00.000Z",
          "├─ redis  running  0 restarts  since 1970-01-01T00:00:00.000Z",
          "├─ pool (one_for_one)  running  0 restarts  since 1970-01-01T00:00:00.000Z",
          "│  ├─ one  running  0 restarts  since 1970-01-01T00:00:00.000Z",
          "│  └─ two  running  1 restart  since 1970-01-01T00:01:30.000Z",
          "└─ api  stopped  0 restarts  1 abandoned  since 1970-01-01T00:01:30.000Z"
        ].join("\n")
      )
      expect(render(yield* supervisor.tree, { shownMax: 1 })).toEndWith("\n└─ and 2 more")
    })
  )

  it.effect("shows a supervisor that a child has started for itself, for as long as it is there", () =>
    Effect.gen(function* () {
      const host: ChildSpec = {
        id: "host",
        start: Effect.as(Supervisor.start({ name: "guests", children: [idle("one")] }), Effect.never)
      }
      const { supervisor } = yield* started(Supervisor.start({ children: [host] }))
      const below = Effect.map(supervisor.tree, ({ children }) =>
        children[0]!.children.map(({ children, id }) => [id, children.map(({ id }) => id)])
      )

      expect(yield* below).toEqual([["guests", ["one"]]])
      yield* supervisor.terminateChild("host")

      expect(yield* below).toEqual([])
    })
  )
})

describe("two thousand children", () => {
  it.effect("start and stop one by one", () =>
    Effect.gen(function* () {
      const { stop, supervisor } = yield* started(Supervisor.start({}))
      const ids = Array.from({ length: 2_000 }, (_, at) => `${at}`)

      yield* Effect.forEach(ids, (id) => supervisor.startChild(idle(id)), { discard: true })
      expect((yield* supervisor.countChildren).active).toBe(2_000)
      yield* stop

      expect((yield* supervisor.countChildren).active).toBe(0)
    })
  )
})
