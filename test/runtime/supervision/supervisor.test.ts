/**
 * What OTP's `supervisor_SUITE` says of starting, stopping and administering children.
 *
 * Mirrored here: sup_start_normal, sup_start_ignore_child, sup_start_ignore_temporary_child,
 * sup_start_ignore_temporary_child_start_child, sup_start_fail, sup_start_child_returns_error,
 * sup_start_restart_child_returns_error, sup_start_map, sup_start_map_faulty_specs, sup_flags, sup_stop_infinity,
 * sup_stop_timeout, sup_stop_brutal_kill, child_adm, child_specs, extra_return, child_unlink, tree, count_children,
 * count_children_supervisor, count_restarting_children, which_children, order_of_children, scale_start_stop_many_children,
 * do_not_save_start_parameters_for_temporary_children, do_not_save_child_specs_for_temporary_children. The rest is in
 * `strategies.test.ts` (who is restarted), `escalation.test.ts` (giving up, significant children) and `dynamic.test.ts`.
 *
 * Not mirrored: sup_start_ignore_init and sup_start_error_return (no callback module whose `init` could answer
 * otherwise); the group shutdown_termination and faulty_application_shutdown (a child that ends in order succeeds; there
 * is no third way); code_change*, get_callback_module and significant_upgrade_* (code is not replaced while it runs);
 * simple_global_supervisor and already_started_outside_supervisor (a fiber has no registered name);
 * external_start_no_progress_log and format_log_* (the logger is Effect's).
 */
import { describe, expect } from "bun:test"
import { Context, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ChildNotStarted, SupervisorEnded } from "../../../runtime/supervision/errors.ts"
import { type ChildSpec, SpecInvalid } from "../../../runtime/supervision/spec.ts"
import * as Supervisor from "../../../runtime/supervision/supervisor.ts"
import { it } from "../../support/effect.ts"
import {
  Broken,
  idle,
  newStage,
  nothingToDo,
  quiet,
  recorded,
  started,
  statesOf
} from "../../support/supervised.ts"

describe("a supervisor that starts", () => {
  it.effect("starts its children in order and stops them in reverse order", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()

      const { stop } = yield* started(Supervisor.start({ children: [part("a"), part("b"), part("c")] }))

      expect(happened()).toEqual(["start a", "start b", "start c"])
      yield* stop
      expect(happened()).toEqual(["stop c", "stop b", "stop a"])
    })
  )

  it.effect("starts a child only when the one before is ready, and has started when the last is", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const slow = part("a", { startsAfter: Effect.sleep("10 seconds") })

      const starting = yield* Effect.forkChild(started(Supervisor.start({ children: [slow, part("b")] })))
      yield* quiet
      yield* TestClock.adjust("9 seconds")
      expect(happened()).toEqual([])
      yield* TestClock.adjust("1 second")

      yield* Fiber.join(starting)
      expect(happened()).toEqual(["start a", "start b"])
    })
  )

  it.effect("that has no children starts, and takes some later", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const { stop, supervisor } = yield* started(Supervisor.start({}))

      yield* supervisor.startChild(part("a"))

      yield* stop
      expect(happened()).toEqual(["start a", "stop a"])
    })
  )

  it.effect("stops those before one that does not start, in reverse order, and fails with its cause", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const children = [part("a"), part("b"), part("c", { startFails: () => true }), part("d")]

      const error = yield* Effect.flip(Supervisor.start({ name: "shop", children }))

      expect(error).toBeInstanceOf(ChildNotStarted)
      expect(error).toMatchObject({ supervisor: "shop", child: "c" })
      expect(error.cause).toBeInstanceOf(Broken)
      expect(error.message).toBe("shop: c could not be started: c does not start")
      expect(happened()).toEqual(["start a", "start b", "fail c", "stop b", "stop a"])
    })
  )

  it.effect("that is interrupted while it starts stops what it had started", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const never = part("b", { startsAfter: Effect.never })
      const starting = yield* Effect.forkChild(
        Effect.scoped(Supervisor.start({ children: [part("a"), never] }))
      )
      yield* quiet

      yield* Fiber.interrupt(starting)

      expect(happened()).toEqual(["start a", "stop a"])
    })
  )

  it.effect("keeps the spec of a child that has nothing to do, and forgets a temporary one", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(
        Supervisor.start({
          children: [nothingToDo("a"), nothingToDo("b", { restart: "temporary" }), idle("c")]
        })
      )
      yield* supervisor.startChild(nothingToDo("d", { restart: "temporary" }))

      expect(yield* statesOf(supervisor)).toEqual(["a ignored", "c running"])
      expect(yield* supervisor.countChildren).toEqual({ specs: 2, active: 1, supervisors: 0, workers: 2 })
    })
  )

  it.effect("gives its children what their starts need from where it was started", () =>
    Effect.gen(function* () {
      class Shop extends Context.Service<Shop, { readonly name: string }>()("test/Shop") {}
      const seen: Array<string> = []
      const child = (id: string) => ({
        id,
        start: Effect.map(Shop, ({ name }) =>
          Effect.andThen(
            Effect.sync(() => seen.push(`${id} ${name}`)),
            Effect.never
          )
        )
      })
      const { supervisor } = yield* started(
        Supervisor.start({ children: [child("a")] }).pipe(Effect.provideService(Shop, { name: "one" }))
      )

      yield* supervisor.startChild(child("b")).pipe(Effect.provideService(Shop, { name: "two" }))
      yield* quiet

      expect(seen).toEqual(["a one", "b two"])
    })
  )

  it.effect("is a layer, whose children live as long as it does", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()

      const counts = yield* Supervisor.Supervisor.use(({ countChildren }) => countChildren).pipe(
        Effect.provide(Supervisor.layer({ children: [part("a")] }))
      )

      expect(counts.active).toBe(1)
      expect(happened()).toEqual(["start a", "stop a"])
    })
  )
})

describe("what a supervisor is told", () => {
  const told: ReadonlyArray<readonly [string, Supervisor.StaticOptions, string]> = [
    ["a strategy that is none", { strategy: "one_for_some" as never }, "strategy"],
    ["an intensity below 0", { intensity: -1 }, "intensity"],
    ["half a restart", { intensity: 0.5 }, "intensity"],
    ["a period of nothing", { period: 0 }, "period"],
    ["a jitter beyond 1", { backoff: { jitter: 2 } }, "backoff.jitter"],
    ["a backoff that is no duration", { backoff: { base: "2 blinks" as never } }, "backoff.base"],
    ["no room for a child", { childrenMax: 0 }, "childrenMax"],
    ["an auto_shutdown that is none", { autoShutdown: "sometimes" as never }, "autoShutdown"],
    ["a child without an id", { children: [idle("")] }, "children[0].id"],
    [
      "a restart type that is none",
      { children: [idle("a", { restart: "prmanent" as never })] },
      "children[0].restart"
    ],
    ["a type that is none", { children: [idle("a", { type: "wrker" as never })] }, "children[0].type"],
    ["a shutdown in the past", { children: [idle("a", { shutdown: -100 })] }, "children[0].shutdown"],
    [
      "a shutdown that is no duration",
      { children: [idle("a", { shutdown: "brutl" as never })] },
      "children[0].shutdown"
    ],
    ["two children of one id", { children: [idle("a"), idle("b"), idle("a")] }, "children[2].id"],
    ["more children than there may be", { childrenMax: 1, children: [idle("a"), idle("b")] }, "children"],
    [
      "a significant child that is permanent",
      { autoShutdown: "any_significant", children: [idle("a", { significant: true })] },
      "children[0].significant"
    ],
    [
      "a significant child where nothing shuts down",
      { children: [idle("a", { restart: "transient", significant: true })] },
      "children[0].significant"
    ]
  ]
  for (const [what, options, field] of told) {
    it.effect(`is refused before anything starts: ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Supervisor.start(options))

        expect(error).toBeInstanceOf(SpecInvalid)
        expect(error).toMatchObject({ field })
      })
    )
  }

  it.effect("says what would be right", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Supervisor.start({ children: [idle("a", { restart: "always" as never })] })
      )

      expect(error.message).toBe(
        'children[0].restart is "always"; it must be one of permanent, transient, temporary'
      )
    })
  )
})

describe("a child that is stopped", () => {
  it.effect("may take as long as it wants with shutdown infinity", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const slow = part("a", { shutdown: "infinity", stopTakes: "1 hour" })
      const { stop } = yield* started(Supervisor.start({ children: [slow] }))
      happened()

      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("59 minutes")
      expect(stopping.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 minute")

      yield* Fiber.join(stopping)
      expect(happened()).toEqual(["stop a"])
    })
  )

  it.effect("is waited for until its time is over, then abandoned and named in the log", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const { layer, lines } = recorded()
      const slow = part("b", { shutdown: "2 seconds", stopTakes: "1 hour" })
      const { stop } = yield* started(
        Supervisor.start({ children: [part("a"), slow] }).pipe(Effect.provide(layer))
      )
      happened()

      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("1999 millis")
      expect(happened()).toEqual([])
      yield* TestClock.adjust("1 millis")

      yield* Fiber.join(stopping)
      expect(happened()).toEqual(["stop a"])
      expect(lines).toEqual(["supervisor/b did not stop within 2000 ms, and was abandoned"])
    })
  )

  it.effect("has 5 seconds unless its spec says otherwise, and a supervisor all the time it needs", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const inner = part("a", { shutdown: "1 minute", stopTakes: "30 seconds" })
      const { stop } = yield* started(
        Supervisor.start({
          children: [
            Supervisor.child({ id: "sub" }, { children: [inner] }),
            part("b", { stopTakes: "1 hour" })
          ]
        })
      )
      happened()

      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("34 seconds")
      expect(stopping.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")

      yield* Fiber.join(stopping)
      expect(happened()).toEqual(["stop a"])
    })
  )

  it.effect("brutally is interrupted and not waited for", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const slow = part("b", { shutdown: "brutal", stopTakes: "1 second" })
      const { stop } = yield* started(Supervisor.start({ children: [part("a"), slow] }))
      happened()

      yield* stop

      expect(happened()).toEqual(["stop a"])
      yield* TestClock.adjust("1 second")
      expect(happened()).toEqual(["stop b"])
    })
  )

  it.effect("and fails while it stops is named in the log, and the others are stopped all the same", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const { layer, lines } = recorded()
      const failing: ChildSpec = {
        id: "b",
        start: Effect.as(
          Effect.addFinalizer(() => Effect.die("no")),
          Effect.never
        )
      }
      const { stop } = yield* started(
        Supervisor.start({ children: [part("a"), failing] }).pipe(Effect.provide(layer))
      )

      yield* stop

      expect(happened()).toEqual(["start a", "stop a"])
      expect(lines).toEqual(["supervisor/b failed while it was stopped"])
    })
  )

  it.effect("by a hand that cannot be interrupted does not hang", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* started(Supervisor.start({ children: [idle("a")] }))

      yield* Effect.scoped(Effect.addFinalizer(() => Effect.ignore(supervisor.terminateChild("a"))))

      expect(yield* statesOf(supervisor)).toEqual(["a stopped"])
    })
  )

  it.effect("takes along whatever it had started in its scope", () =>
    Effect.gen(function* () {
      const { happened, part } = newStage()
      const inner = { ended: false }
      const forking: ChildSpec = {
        id: "a",
        start: Effect.as(
          Effect.forkScoped(Effect.onExit(Effect.never, () => Effect.sync(() => (inner.ended = true)))),
          Effect.never
        )
      }
      const { supervisor } = yield* started(Supervisor.start({ children: [forking, part("b")] }))
      yield* quiet

      yield* supervisor.terminateChild("a")

      expect(inner.ended).toBe(true)
      expect(happened()).toEqual(["start b"])
    })
  )
})

describe("a supervisor that has ended", () => {
  it.effect("refuses what it is asked to do, also what it was asked before", () =>
    Effect.gen(function* () {
      const { part } = newStage()
      const { stop, supervisor } = yield* started(Supervisor.start({ children: [idle("a")] }))
      const starting = yield* Effect.forkChild(
        supervisor.startChild(part("b", { startsAfter: Effect.never }))
      )
      const waiting = yield* Effect.forkChild(supervisor.terminateChild("a"))
      yield* quiet

      yield* stop

      const causes = [
        yield* Fiber.join(starting).pipe(Effect.flip),
        yield* Fiber.join(waiting).pipe(Effect.flip)
      ]
      for (const cause of causes) expect(cause).toBeInstanceOf(SupervisorEnded)
      expect(yield* Effect.flip(supervisor.terminateChild("a"))).toBeInstanceOf(SupervisorEnded)
      expect(yield* statesOf(supervisor)).toEqual(["a stopped", "b stopped"])
    })
  )

  it.effect("has ended without an error when it was stopped", () =>
    Effect.gen(function* () {
      const { stop, supervisor } = yield* started(Supervisor.start({ children: [idle("a")] }))

      yield* stop

      expect(yield* Effect.exit(supervisor.ended)).toEqual(Exit.void)
    })
  )
})
