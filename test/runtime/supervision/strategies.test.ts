/**
 * Who is started again when a child ends, as OTP's `supervisor_SUITE` and Akka's `SupervisorSpec` and
 * `SupervisorHierarchySpec` say.
 *
 * Mirrored of OTP: permanent_normal, transient_normal, temporary_normal, permanent_abnormal, transient_abnormal,
 * temporary_abnormal, temporary_bystander, multiple_restarts, one_for_one, one_for_all,
 * one_for_all_other_child_fails_restart, rest_for_one, rest_for_one_other_child_fails_restart, child_unlink,
 * hanging_restart_loop, hanging_restart_loop_rest_for_one.
 *
 * Mirrored of Akka: not restart temporary actor; start server for nested supervisor hierarchy; kill and call-kill-call
 * single and multiple actors OneForOne and AllForOne; restart killed actors in nested supervisor hierarchy; attempt
 * restart when exception during restart; restart manager and workers in AllForOne; handle failure in creation when
 * supervision strategy returns Restart. Not mirrored: Resume, Stop by decider and "suspend children while failing" (a
 * life that failed is over, and the reason for it decides nothing), "restart properly when same instance is returned" (a
 * restart is a new life), "not lose system messages" (a supervisor has no user code that could throw), "clear child
 * when Supervisor stops" (no such registry).
 */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { RestartOptions } from "../../../runtime/supervision/restarts.ts"
import type { ChildSpec } from "../../../runtime/supervision/spec.ts"
import * as Supervisor from "../../../runtime/supervision/supervisor.ts"
import { it } from "../../support/effect.ts"
import { newStage, quiet, started } from "../../support/supervised.ts"

/** Enough restarts for any test here, and delays without chance. */
const patient: RestartOptions = { intensity: 100, period: "1 hour", backoff: { base: "1 second", jitter: 0 } }

const statesOf = (supervisor: Supervisor.Overview) =>
  Effect.map(supervisor.whichChildren, (children) => children.map(({ id, state }) => `${id} ${state}`))

/** A supervisor of `a` and `b`, `a` as its spec says; nothing has happened yet. */
const withTwo = (spec: Partial<ChildSpec>, options: Supervisor.StaticOptions = {}) =>
  Effect.gen(function* () {
    const stage = newStage()
    const children = [stage.part("a", spec), stage.part("b")]
    const { supervisor } = yield* started(Supervisor.start({ ...patient, ...options, children }))
    stage.happened()
    return { ...stage, supervisor }
  })

const withThree = (options: Supervisor.StaticOptions, over: Record<string, Partial<ChildSpec>> = {}) =>
  Effect.gen(function* () {
    const stage = newStage()
    const children = ["a", "b", "c"].map((id) => stage.part(id, over[id]))
    const { supervisor } = yield* started(Supervisor.start({ ...patient, ...options, children }))
    stage.happened()
    return { ...stage, supervisor }
  })

describe("a permanent child", () => {
  it.effect("that succeeds is started again", () =>
    Effect.gen(function* () {
      const { finish, happened, supervisor } = yield* withTwo({ restart: "permanent" })

      yield* finish("a")

      expect(happened()).toEqual(["stop a", "start a"])
      expect(yield* statesOf(supervisor)).toEqual(["a running", "b running"])
    })
  )

  it.effect("that fails is started again", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withTwo({ restart: "permanent" })

      yield* fail("a")

      expect(happened()).toEqual(["stop a", "start a"])
    })
  )

  it.effect("that interrupts itself, or dies, is started again", () =>
    Effect.gen(function* () {
      let lives = 0
      const ends = [Effect.interrupt, Effect.die("bug")]
      const child: ChildSpec = { id: "a", start: Effect.sync(() => ends[lives++] ?? Effect.never) }
      yield* started(Supervisor.start({ ...patient, children: [child] }))

      yield* quiet
      yield* TestClock.adjust("1 second")

      expect(lives).toBe(3)
    })
  )
})

describe("a transient child", () => {
  it.effect("that succeeds is left, and can be started by hand", () =>
    Effect.gen(function* () {
      const { finish, happened, supervisor } = yield* withTwo({ restart: "transient" })

      yield* finish("a")

      expect(happened()).toEqual(["stop a"])
      expect(yield* statesOf(supervisor)).toEqual(["a ended", "b running"])
      yield* supervisor.restartChild("a")
      expect(yield* statesOf(supervisor)).toEqual(["a running", "b running"])
    })
  )

  it.effect("that fails is started again", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withTwo({ restart: "transient" })

      yield* fail("a")

      expect(happened()).toEqual(["stop a", "start a"])
    })
  )
})

describe("a temporary child", () => {
  it.effect("is not started again, whether it succeeds or fails", () =>
    Effect.gen(function* () {
      for (const end of ["finish", "fail"] as const) {
        const stage = yield* withTwo({ restart: "temporary" })

        yield* stage[end]("a")

        expect(stage.happened()).toEqual(["stop a"])
        expect(yield* statesOf(stage.supervisor)).toEqual(["b running"])
      }
    })
  )

  it.effect("that fails does not touch its siblings, whatever the strategy", () =>
    Effect.gen(function* () {
      for (const strategy of ["one_for_one", "one_for_all", "rest_for_one"] as const) {
        const { fail, happened, supervisor } = yield* withTwo(
          { restart: "temporary" },
          { strategy, intensity: 0 }
        )

        yield* fail("a")

        expect(happened()).toEqual(["stop a"])
        expect(yield* statesOf(supervisor)).toEqual(["b running"])
      }
    })
  )

  it.effect("that stands by when others are restarted is stopped, and not started again", () =>
    Effect.gen(function* () {
      for (const strategy of ["one_for_all", "rest_for_one"] as const) {
        const { fail, happened, supervisor } = yield* withThree({ strategy }, { b: { restart: "temporary" } })

        yield* fail("a")

        expect(happened()).toEqual(["stop a", "stop c", "stop b", "start a", "start c"])
        expect(yield* statesOf(supervisor)).toEqual(["a running", "c running"])
      }
    })
  )
})

describe("one_for_one", () => {
  it.effect("starts again the child that ended, and no other", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* withThree({ strategy: "one_for_one" })

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "start b"])
      expect(yield* statesOf(supervisor)).toEqual(["a running", "b running", "c running"])
    })
  )

  it.effect("starts again as often as children end", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withThree({ strategy: "one_for_one", healthyAfter: 0 })

      for (const id of ["a", "b", "a", "c", "a"]) yield* fail(id)

      expect(happened().filter((event) => event.startsWith("start"))).toEqual([
        "start a",
        "start b",
        "start a",
        "start c",
        "start a"
      ])
    })
  )

  it.effect("lets one child wait for its restart while others come and go", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* withThree({ strategy: "one_for_one" })
      yield* fail("a")
      yield* fail("a")
      expect(yield* statesOf(supervisor)).toEqual(["a restarting", "b running", "c running"])
      happened()

      yield* fail("b")
      yield* supervisor.terminateChild("c")
      expect(happened()).toEqual(["stop b", "start b", "stop c"])
      yield* TestClock.adjust("1 second")

      expect(happened()).toEqual(["start a"])
    })
  )
})

describe("one_for_all", () => {
  it.effect("stops the others in reverse order and starts all in order", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withThree({ strategy: "one_for_all" })

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "stop c", "stop a", "start a", "start b", "start c"])
    })
  )

  it.effect("waits for the others to stop before it starts any", () =>
    Effect.gen(function* () {
      const stage = newStage()
      const children = [stage.part("a"), stage.part("b", { stopTakes: "3 seconds" })]
      const { stop, supervisor } = yield* started(
        Supervisor.start({ ...patient, strategy: "one_for_all", children })
      )
      stage.happened()

      yield* stage.fail("a")
      expect(stage.happened()).toEqual(["stop a"])
      expect(yield* statesOf(supervisor)).toEqual(["a restarting", "b stopping"])
      yield* TestClock.adjust("3 seconds")
      yield* quiet

      expect(stage.happened()).toEqual(["stop b", "start a", "start b"])
      yield* Effect.forkChild(stop)
      yield* quiet
      yield* TestClock.adjust("3 seconds")
    })
  )

  it.effect("tries all again when another one does not start", () =>
    Effect.gen(function* () {
      const stage = newStage()
      let broken = false
      const children = [stage.part("a"), stage.part("b", { startFails: () => broken }), stage.part("c")]
      yield* started(Supervisor.start({ ...patient, strategy: "one_for_all", children }))
      stage.happened()
      broken = true

      yield* stage.fail("c")
      expect(stage.happened()).toEqual([
        "stop c",
        "stop b",
        "stop a",
        "start a",
        "fail b",
        "stop a",
        "start a",
        "fail b",
        "stop a"
      ])
      broken = false
      yield* TestClock.adjust("1 second")

      expect(stage.happened()).toEqual(["start a", "start b", "start c"])
    })
  )

  it.effect("starts along what had been stopped by hand or had ended", () =>
    Effect.gen(function* () {
      const { fail, finish, happened, supervisor } = yield* withThree(
        { strategy: "one_for_all" },
        { b: { restart: "transient" } }
      )
      yield* supervisor.terminateChild("a")
      yield* finish("b")
      happened()

      yield* fail("c")

      expect(happened()).toEqual(["stop c", "start a", "start b", "start c"])
    })
  )
})

describe("rest_for_one", () => {
  it.effect("stops those started after in reverse order and starts them in order", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withThree({ strategy: "rest_for_one" })

      yield* fail("b")
      expect(happened()).toEqual(["stop b", "stop c", "start b", "start c"])
      yield* fail("a")
      expect(happened()).toEqual(["stop a", "stop c", "stop b", "start a", "start b", "start c"])
      yield* fail("c")

      expect(happened()).toEqual(["stop c", "start c"])
    })
  )

  it.effect("tries again from the one that does not start", () =>
    Effect.gen(function* () {
      const stage = newStage()
      let broken = false
      const children = [stage.part("a"), stage.part("b", { startFails: () => broken }), stage.part("c")]
      yield* started(Supervisor.start({ ...patient, strategy: "rest_for_one", children }))
      stage.happened()
      broken = true

      yield* stage.fail("a")
      expect(stage.happened()).toEqual(["stop a", "stop c", "stop b", "start a", "fail b", "fail b"])
      broken = false
      yield* TestClock.adjust("1 second")

      expect(stage.happened()).toEqual(["start b", "start c"])
    })
  )

  it.effect("begins anew from an earlier one that ends while later ones wait", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withThree({ strategy: "rest_for_one" })
      yield* fail("b")
      yield* fail("b")
      happened()

      yield* fail("a")
      expect(happened()).toEqual(["stop a", "start a", "start b", "start c"])
      yield* TestClock.adjust("1 minute")

      expect(happened()).toEqual([])
    })
  )

  it.effect("starts those after a child that was terminated while it waited", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* withThree({ strategy: "rest_for_one" })
      yield* fail("b")
      yield* fail("b")
      happened()

      yield* supervisor.terminateChild("b")
      yield* TestClock.adjust("1 second")

      expect(happened()).toEqual(["start c"])
      expect(yield* statesOf(supervisor)).toEqual(["a running", "b stopped", "c running"])
    })
  )

  it.effect(
    "starts no child while those after it are there, even if they were started by hand and again",
    () =>
      Effect.gen(function* () {
        const { fail, happened, supervisor } = yield* withThree({ strategy: "rest_for_one" })
        yield* fail("a")
        yield* fail("a")
        yield* supervisor.terminateChild("b")
        yield* supervisor.restartChild("b")
        happened()

        yield* fail("b")
        expect(happened()).toEqual(["stop b", "start b", "start c"])
        expect(yield* statesOf(supervisor)).toEqual(["a restarting", "b running", "c running"])
        yield* TestClock.adjust("1 second")

        expect(happened()).toEqual(["stop c", "stop b", "start a", "start b", "start c"])
      })
  )
})

for (const strategy of ["one_for_all", "rest_for_one"] as const) {
  describe(`while the restart of a group waits, under ${strategy}`, () => {
    it.effect("a sibling that is started by hand lives, and is started again with the group", () =>
      Effect.gen(function* () {
        const { fail, happened, supervisor } = yield* withThree({ strategy })
        yield* fail("a")
        yield* fail("a")
        yield* supervisor.terminateChild("b")
        happened()

        yield* supervisor.restartChild("b")
        expect(happened()).toEqual(["start b"])
        yield* TestClock.adjust("1 second")

        expect(happened()).toEqual(["stop b", "start a", "start b", "start c"])
        yield* TestClock.adjust("1 minute")
        expect(happened()).toEqual([])
      })
    )

    it.effect("a new child joins the group, and is forgotten with it if it is temporary", () =>
      Effect.gen(function* () {
        const { fail, happened, part, supervisor } = yield* withThree({ strategy })
        yield* fail("a")
        yield* fail("a")
        yield* supervisor.startChild(part("d"))
        yield* supervisor.startChild(part("e", { restart: "temporary" }))
        happened()

        yield* TestClock.adjust("1 second")

        expect(happened()).toEqual(["stop e", "stop d", "start a", "start b", "start c", "start d"])
        expect(yield* statesOf(supervisor)).toEqual(["a running", "b running", "c running", "d running"])
      })
    )

    it.effect("a sibling that is terminated stays so", () =>
      Effect.gen(function* () {
        const { fail, happened, supervisor } = yield* withThree({ strategy })
        yield* fail("a")
        yield* fail("a")
        happened()

        yield* supervisor.terminateChild("b")
        yield* TestClock.adjust("1 second")

        expect(happened()).toEqual(["start a", "start c"])
        expect(yield* statesOf(supervisor)).toEqual(["a running", "b stopped", "c running"])
      })
    )
  })
}

describe("a child that cannot be started again", () => {
  for (const strategy of ["one_for_one", "rest_for_one"] as const) {
    it.effect(`is tried on and on under ${strategy}, and the supervisor still does what it is asked`, () =>
      Effect.gen(function* () {
        const stage = newStage()
        let broken = false
        const hanging = stage.part("b", { startFails: () => broken })
        const { stop, supervisor } = yield* started(
          Supervisor.start({ ...patient, strategy, children: [stage.part("a"), hanging] })
        )
        broken = true

        yield* stage.fail("b")
        yield* TestClock.adjust("10 seconds")
        expect(yield* statesOf(supervisor)).toEqual(["a running", "b restarting"])
        yield* supervisor.startChild(stage.part("c"))
        yield* supervisor.terminateChild("b")
        stage.happened()
        yield* TestClock.adjust("1 minute")

        expect(stage.happened()).toEqual([])
        expect(yield* statesOf(supervisor)).toEqual(["a running", "b stopped", "c running"])
        yield* stop
        expect(stage.happened()).toEqual(["stop c", "stop a"])
      })
    )
  }

  it.effect("does not keep the supervisor from being stopped", () =>
    Effect.gen(function* () {
      const stage = newStage()
      let broken = false
      const { stop } = yield* started(
        Supervisor.start({ ...patient, children: [stage.part("a", { startFails: () => broken })] })
      )
      broken = true
      yield* stage.fail("a")
      yield* stop
      stage.happened()

      yield* TestClock.adjust("1 hour")

      expect(stage.happened()).toEqual([])
    })
  )

  it.effect("because its start hangs does not keep the supervisor from being stopped", () =>
    Effect.gen(function* () {
      const stage = newStage()
      let hangs: Effect.Effect<void> = Effect.void
      const hanging = stage.part("b", { startsAfter: Effect.suspend(() => hangs) })
      const { stop } = yield* started(Supervisor.start({ ...patient, children: [stage.part("a"), hanging] }))
      hangs = Effect.never
      yield* stage.fail("b")
      stage.happened()

      yield* stop

      expect(stage.happened()).toEqual(["stop a"])
    })
  )
})

describe("the delay before a restart", () => {
  it.effect("is none at first, then doubles, and starts over after a healthy life", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* withTwo({}, { healthyAfter: "1 minute" })
      const delays: Array<number> = []
      for (const _ of [1, 2, 3, 4]) {
        happened()
        yield* fail("a")
        let waited = 0
        while (!happened().includes("start a")) {
          yield* TestClock.adjust("1 second")
          waited += 1
        }
        delays.push(waited)
      }
      expect(delays).toEqual([0, 1, 2, 4])
      yield* TestClock.adjust("1 minute")

      yield* fail("a")

      expect(happened()).toEqual(["stop a", "start a"])
    })
  )
})

describe("a nested supervisor", () => {
  const nested = Effect.gen(function* () {
    const stage = newStage()
    const inner = Supervisor.child(
      { id: "inner" },
      { intensity: 1, strategy: "one_for_all", children: [stage.part("b"), stage.part("c")] }
    )
    const { supervisor } = yield* started(
      Supervisor.start({
        ...patient,
        strategy: "one_for_all",
        children: [stage.part("a"), inner, stage.part("d")]
      })
    )
    return { ...stage, supervisor }
  })

  it.effect("starts its children in its turn", () =>
    Effect.gen(function* () {
      const { happened } = yield* nested

      expect(happened()).toEqual(["start a", "start b", "start c", "start d"])
    })
  )

  it.effect("looks after its own, and those above do not notice", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* nested
      happened()

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "stop c", "start b", "start c"])
    })
  )

  it.effect("that gives up is restarted with all its children by the one above", () =>
    Effect.gen(function* () {
      const { fail, happened } = yield* nested
      yield* fail("b")
      happened()

      yield* fail("c")

      expect(happened()).toEqual([
        "stop c",
        "stop b",
        "stop d",
        "stop a",
        "start a",
        "start b",
        "start c",
        "start d"
      ])
    })
  )
})
