/**
 * When a supervisor ends by itself: it gives up, or a significant child has ended.
 *
 * Mirrored of OTP's `supervisor_SUITE`: one_for_one_escalation, one_for_all_escalation, rest_for_one_escalation,
 * nonsignificant_temporary, nonsignificant_transient, significant_temporary, significant_transient,
 * significant_bystander, significant_escalation. Of Akka: not restart child more times than permitted; send notification
 * to supervisor when permanent failure.
 */
import { describe, expect } from "bun:test"
import { Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { SupervisorGaveUp } from "../../../runtime/supervision/errors.ts"
import type { ChildSpec } from "../../../runtime/supervision/spec.ts"
import * as Supervisor from "../../../runtime/supervision/supervisor.ts"
import { it } from "../../support/effect.ts"
import { Broken, newStage, quiet, started } from "../../support/supervised.ts"

const withThree = (options: Supervisor.StaticOptions, over: Record<string, Partial<ChildSpec>> = {}) =>
  Effect.gen(function* () {
    const stage = newStage()
    const children = ["a", "b", "c"].map((id) => stage.part(id, over[id]))
    const { stop, supervisor } = yield* started(Supervisor.start({ ...options, children }))
    stage.happened()
    return { ...stage, stop, supervisor }
  })

/** How it has ended, if it has. */
const endOf = (supervisor: Supervisor.Overview) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(supervisor.ended)
    yield* quiet
    return fiber.pollUnsafe()
  })

describe("a supervisor whose restarts do not help", () => {
  for (const strategy of ["one_for_one", "one_for_all", "rest_for_one"] as const) {
    it.effect(`stops all children in reverse order and fails, under ${strategy}`, () =>
      Effect.gen(function* () {
        const { fail, happened, supervisor } = yield* withThree({ strategy, intensity: 0 })

        yield* fail("b")

        expect(happened()).toEqual(["stop b", "stop c", "stop a"])
        const error = yield* Effect.flip(supervisor.ended)
        expect(error).toBeInstanceOf(SupervisorGaveUp)
        expect(error).toMatchObject({ supervisor: "supervisor", child: "b", intensity: 0, periodMs: 5_000 })
        expect(error.cause).toBeInstanceOf(Broken)
      })
    )
  }

  it.effect("starts no child more often than its intensity within a period", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* withThree({
        intensity: 2,
        period: "10 seconds",
        backoff: { base: "1 second", jitter: 0 }
      })
      yield* fail("a")
      yield* fail("a")
      yield* TestClock.adjust("1 second")
      expect(yield* endOf(supervisor)).toBeUndefined()
      happened()

      yield* fail("b")

      expect(happened()).toEqual(["stop b", "stop c", "stop a"])
      expect(Exit.isFailure((yield* endOf(supervisor))!)).toBe(true)
    })
  )

  it.effect("is forgiven restarts that are a period old", () =>
    Effect.gen(function* () {
      const { fail, supervisor } = yield* withThree({ intensity: 1, period: "10 seconds" })

      for (const _ of [1, 2, 3]) {
        yield* fail("a")
        yield* TestClock.adjust("10 seconds")
      }

      expect(yield* endOf(supervisor)).toBeUndefined()
    })
  )

  it.effect("says so when the child has ended normally", () =>
    Effect.gen(function* () {
      const { finish, supervisor } = yield* withThree({ name: "shop", intensity: 0 })

      yield* finish("a")

      expect((yield* Effect.flip(supervisor.ended)).message).toBe(
        "shop gave up after 0 restarts in 5000 ms; its child a last ended normally"
      )
    })
  )

  it.effect("counts starts that fail like lives that do", () =>
    Effect.gen(function* () {
      const stage = newStage()
      let broken = false
      const { supervisor } = yield* started(
        Supervisor.start({
          intensity: 2,
          period: "1 hour",
          children: [stage.part("a", { startFails: () => broken })]
        })
      )
      broken = true

      yield* stage.fail("a")
      yield* TestClock.adjust("1 second")

      expect(stage.happened()).toEqual(["start a", "stop a", "fail a", "fail a"])
      expect((yield* Effect.flip(supervisor.ended)).message).toContain("last failed: a does not start")
    })
  )

  it.effect("fails up to the top, each level with what the one below says", () =>
    Effect.gen(function* () {
      const stage = newStage()
      const never = { intensity: 0 }
      const middle = Supervisor.child({ id: "middle" }, { ...never, children: [stage.part("leaf")] })
      const { supervisor } = yield* started(
        Supervisor.start({ ...never, name: "top", children: [stage.part("other"), middle] })
      )
      stage.happened()

      yield* stage.fail("leaf")

      const error = yield* Effect.flip(supervisor.ended)
      expect(stage.happened()).toEqual(["stop leaf", "stop other"])
      expect(error).toMatchObject({ supervisor: "top", child: "middle" })
      expect(error.cause).toBeInstanceOf(SupervisorGaveUp)
      expect(error.cause).toMatchObject({ supervisor: "top/middle", child: "leaf" })
    })
  )
})

describe("a supervisor with significant children", () => {
  const transient = { restart: "transient", significant: true } as const
  const temporary = { restart: "temporary", significant: true } as const

  it.effect("goes on when one that is not significant ends", () =>
    Effect.gen(function* () {
      for (const restart of ["transient", "temporary"] as const) {
        const { finish, supervisor } = yield* withThree(
          { autoShutdown: "any_significant" },
          { a: { restart }, b: transient }
        )

        yield* finish("a")

        expect(yield* endOf(supervisor)).toBeUndefined()
      }
    })
  )

  it.effect("ends normally, its children in reverse order, when any has ended under any_significant", () =>
    Effect.gen(function* () {
      for (const spec of [transient, temporary]) {
        const { finish, happened, supervisor } = yield* withThree(
          { autoShutdown: "any_significant" },
          { b: spec, c: spec }
        )

        yield* finish("b")

        expect(happened()).toEqual(["stop b", "stop c", "stop a"])
        expect(yield* endOf(supervisor)).toEqual(Exit.void)
      }
    })
  )

  it.effect("ends with the last under all_significant", () =>
    Effect.gen(function* () {
      const { fail, finish, supervisor } = yield* withThree(
        { autoShutdown: "all_significant" },
        { a: transient, b: temporary }
      )

      yield* finish("a")
      expect(yield* endOf(supervisor)).toBeUndefined()
      yield* fail("b")

      expect(yield* endOf(supervisor)).toEqual(Exit.void)
    })
  )

  it.effect("starts a transient one that failed again, and goes on", () =>
    Effect.gen(function* () {
      const { fail, happened, supervisor } = yield* withThree(
        { autoShutdown: "any_significant" },
        { a: transient }
      )

      yield* fail("a")

      expect(happened()).toEqual(["stop a", "start a"])
      expect(yield* endOf(supervisor)).toBeUndefined()
    })
  )

  it.effect("goes on when one is stopped by hand, or with a sibling", () =>
    Effect.gen(function* () {
      const { fail, supervisor } = yield* withThree(
        { autoShutdown: "any_significant", strategy: "one_for_all" },
        { a: transient, b: temporary }
      )

      yield* supervisor.terminateChild("a")
      expect(yield* endOf(supervisor)).toBeUndefined()
      yield* fail("c")

      expect(yield* endOf(supervisor)).toBeUndefined()
      expect((yield* supervisor.countChildren).active).toBe(2)
    })
  )

  it.effect("ends the one above when it is itself significant there", () =>
    Effect.gen(function* () {
      const stage = newStage()
      const inner = Supervisor.child(
        { id: "inner", ...transient },
        { autoShutdown: "any_significant", children: [stage.part("leaf", transient)] }
      )
      const { supervisor } = yield* started(
        Supervisor.start({ autoShutdown: "any_significant", children: [stage.part("a"), inner] })
      )
      stage.happened()

      yield* stage.finish("leaf")

      expect(stage.happened()).toEqual(["stop leaf", "stop a"])
      expect(yield* endOf(supervisor)).toEqual(Exit.void)
    })
  )
})
