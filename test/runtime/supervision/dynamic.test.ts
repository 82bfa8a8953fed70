/**
 * Children that are all made alike. Mirrored of OTP's `supervisor_SUITE`: child_adm_simple, sup_start_map_simple,
 * sup_start_child_returns_error_simple, sup_start_ignore_temporary_child_start_child_simple,
 * sup_start_ignore_permanent_child_start_child_simple, simple_one_for_one, simple_one_for_one_shutdown,
 * simple_one_for_one_extra, simple_one_for_one_escalation, simple_one_for_one_corruption,
 * simple_one_for_one_restart_ignore, simple_one_for_one_scale_many_temporary_children, hanging_restart_loop_simple,
 * significant_simple, which_children_simple_one_for_one. restart_child and delete_child are answered with
 * `{error, simple_one_for_one}` there; here there are no such operations.
 */
import { describe, expect } from "bun:test"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Dynamic from "../../../runtime/supervision/dynamic.ts"
import {
  ChildKnown,
  ChildNotStarted,
  ChildrenFull,
  NoSuchChild,
  SupervisorEnded,
  SupervisorGaveUp
} from "../../../runtime/supervision/errors.ts"
import { ignore, SpecInvalid, type SupervisorOptions } from "../../../runtime/supervision/spec.ts"
import { it } from "../../support/effect.ts"
import { newStage, type Part, quiet, started } from "../../support/supervised.ts"

/** A supervisor whose children are named by what `startChild` is given. */
const pool = (part: Part = {}, options: SupervisorOptions = {}) =>
  Effect.gen(function* () {
    const stage = newStage()
    const { stop, supervisor } = yield* started(
      Dynamic.start({
        intensity: 100,
        period: "1 hour",
        backoff: { base: "1 second", jitter: 0 },
        ...options,
        child: (id: string) => stage.part(id, part)
      })
    )
    return { ...stage, stop, supervisor }
  })

const idsOf = (supervisor: Dynamic.DynamicSupervisor<string>) =>
  Effect.map(supervisor.whichChildren, (children) => children.map(({ id }) => id))

describe("a dynamic supervisor", () => {
  it.effect("starts without children, and makes each from what it is given", () =>
    Effect.gen(function* () {
      const { happened, supervisor } = yield* pool()
      expect(happened()).toEqual([])

      yield* supervisor.startChild("a")
      yield* supervisor.startChild("b")

      expect(happened()).toEqual(["start a", "start b"])
      expect(yield* idsOf(supervisor)).toEqual(["a", "b"])
      expect(yield* supervisor.countChildren).toEqual({ specs: 2, active: 2, supervisors: 0, workers: 2 })
    })
  )

  it.effect("numbers children that have no id", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(
        Dynamic.start({ child: (_: string) => ({ start: Effect.succeed(Effect.never) }) })
      )

      const ids = [yield* supervisor.startChild("x"), yield* supervisor.startChild("x")]

      expect(ids).toEqual(["#1", "#2"])
    })
  )

  it.effect("starts again the child that ended, with what it was made from, and no other", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* pool()
      for (const id of ["a", "b", "c"]) yield* supervisor.startChild(id)
      happened()

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "start b"])
      expect(yield* idsOf(supervisor)).toEqual(["a", "b", "c"])
    })
  )

  it.effect("forgets what has ended for good, or was terminated", () =>
    Effect.gen(function* () {
      const { finish, supervisor } = yield* pool({ restart: "transient" })
      for (const id of ["a", "b", "c"]) yield* supervisor.startChild(id)

      yield* finish("a")
      yield* supervisor.terminateChild("b")

      expect(yield* idsOf(supervisor)).toEqual(["c"])
      expect(yield* Effect.flip(supervisor.terminateChild("b"))).toBeInstanceOf(NoSuchChild)
      yield* supervisor.startChild("b")
      expect(yield* idsOf(supervisor)).toEqual(["c", "b"])
    })
  )

  it.effect("does not keep what cannot be started, and stays as it was", () =>
    Effect.gen(function* () {
      let broken = false
      const { supervisor } = yield* pool({ startFails: () => broken })
      yield* supervisor.startChild("a")
      broken = true

      expect(yield* Effect.flip(supervisor.startChild("b"))).toBeInstanceOf(ChildNotStarted)
      expect(yield* Effect.flip(supervisor.startChild("a"))).toBeInstanceOf(ChildKnown)

      expect(yield* idsOf(supervisor)).toEqual(["a"])
    })
  )

  it.effect("does not keep what has nothing to do, now or when it is started again", () =>
    Effect.gen(function* () {
      for (const restart of ["permanent", "temporary"] as const) {
        const stage = newStage()
        let idle = true
        const { stop, supervisor } = yield* started(
          Dynamic.start({
            child: (id: string) => ({
              ...stage.part(id),
              restart,
              start: Effect.suspend(() => (idle ? Effect.succeed(ignore) : stage.part(id).start))
            })
          })
        )
        yield* supervisor.startChild("a")
        expect(yield* idsOf(supervisor)).toEqual([])
        idle = false
        yield* supervisor.startChild("a")
        idle = true
        yield* stage.fail("a")

        expect(yield* idsOf(supervisor)).toEqual([])
        yield* stop
      }
    })
  )

  it.effect("refuses a child beyond childrenMax until one has gone", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* pool({}, { childrenMax: 2 })
      yield* supervisor.startChild("a")
      yield* supervisor.startChild("b")

      expect(yield* Effect.flip(supervisor.startChild("c"))).toEqual(
        new ChildrenFull({ supervisor: "supervisor", childrenMax: 2 })
      )
      yield* supervisor.terminateChild("a")
      yield* supervisor.startChild("c")

      expect(yield* idsOf(supervisor)).toEqual(["b", "c"])
    })
  )

  it.effect("refuses a child that is made wrong", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* pool({ shutdown: -1 })

      const error = yield* Effect.flip(supervisor.startChild("a"))

      expect(error).toBeInstanceOf(SpecInvalid)
      expect(error).toMatchObject({ field: "child.shutdown" })
    })
  )

  it.effect("stops its children side by side, each in its time", () =>
    Effect.gen(function* () {
      const { happened, stop, supervisor } = yield* pool({ stopTakes: "3 seconds", shutdown: "5 seconds" })
      for (const id of ["a", "b", "c"]) yield* supervisor.startChild(id)
      happened()

      const stopping = yield* Effect.forkChild(stop)
      yield* quiet
      yield* TestClock.adjust("3 seconds")

      yield* Fiber.join(stopping)
      expect(happened()).toEqual(["stop c", "stop b", "stop a"])
    })
  )

  it.effect("gives up when restarting does not help", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* pool({}, { intensity: 1 })
      for (const id of ["a", "b", "c"]) yield* supervisor.startChild(id)
      yield* fail("a")
      happened()

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "stop c", "stop a"])
      expect(yield* Effect.flip(supervisor.ended)).toBeInstanceOf(SupervisorGaveUp)
      expect(yield* Effect.flip(supervisor.startChild("d"))).toBeInstanceOf(SupervisorEnded)
    })
  )

  it.effect("tries on and on to start a child again, and does what it is asked meanwhile", () =>
    Effect.gen(function* () {
      let broken = false
      const { fail, happened, supervisor } = yield* pool({ startFails: () => broken })
      yield* supervisor.startChild("a")
      broken = true
      yield* fail("a")
      yield* TestClock.adjust("10 seconds")
      happened()

      yield* supervisor.terminateChild("a")
      yield* TestClock.adjust("1 minute")

      expect(happened()).toEqual([])
      expect(yield* supervisor.whichChildren).toEqual([])
    })
  )

  it.effect("ends with its last significant child", () =>
    Effect.gen(function* () {
      const { fail, finish, supervisor } = yield* pool(
        { restart: "temporary", significant: true },
        { autoShutdown: "all_significant" }
      )
      yield* supervisor.startChild("a")
      yield* supervisor.startChild("b")

      yield* finish("a")
      expect((yield* supervisor.countChildren).active).toBe(1)
      yield* fail("b")

      expect(yield* Effect.exit(supervisor.ended)).toEqual(Exit.void)
    })
  )

  it.effect("starts and forgets thousands of temporary children", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(
        Dynamic.start({
          child: (_: number) => ({ restart: "temporary", start: Effect.succeed(Effect.void) })
        })
      )

      for (let at = 0; at < 2_000; at++) yield* supervisor.startChild(at)
      yield* quiet

      expect(yield* supervisor.whichChildren).toEqual([])
    })
  )
})
