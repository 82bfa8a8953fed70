import { describe, expect } from "bun:test"
import { Deferred, type Duration, Effect, Exit, Request, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor, type Self } from "../../../runtime/actor/definition.ts"
import { it } from "../../support/effect.ts"

class Ticks extends Request.TaggedClass("Ticks")<{}, ReadonlyArray<string>> {}
class Active extends Request.TaggedClass("Active")<{ readonly key: string }, boolean> {}
type Message =
  | { readonly _tag: "Tick"; readonly name: string }
  | { readonly _tag: "Do"; readonly what: (self: Self<Message, unknown>) => Effect.Effect<unknown> }
  | Ticks
  | Active

const tick = (name: string): Message => ({ _tag: "Tick", name })

/** An actor that notes its ticks, over all of its lives, and does what a test wants. */
const clockwork = (
  onStart: (self: Pick<Self<Message, unknown>, "timers">) => Effect.Effect<void> = () => Effect.void
) => {
  const ticks: Array<string> = []
  const definition = defineActor<Message>()({
    name: "clockwork",
    onStart,
    handle: {
      Tick: ({ name }) => Effect.sync(() => void ticks.push(name)),
      Do: ({ what }, self) => what(self),
      Ticks: () => Effect.sync(() => [...ticks]),
      Active: ({ key }, { timers }) => Effect.sync(() => timers.isActive(key))
    }
  })
  return { ticks, definition }
}

const doing = (what: (self: Self<Message, unknown>) => Effect.Effect<unknown>): Message => ({
  _tag: "Do",
  what
})
const single = (key: string, name: string, delay: Duration.Input) =>
  doing(({ timers }) => timers.startSingle(key, tick(name), delay))
const periodic = (key: string, name: string, every: Duration.Input | Schedule.Schedule<unknown>) =>
  doing(({ timers }) => timers.startPeriodic(key, tick(name), every))

describe("a timer", () => {
  it.effect("sends its message once, when its delay is over", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork()
      const { ask, tell } = yield* Actor.start(definition)
      yield* tell(single("t", "a", "10 seconds"))
      expect(yield* ask(new Active({ key: "t" }))).toBe(true)
      yield* TestClock.adjust("9 seconds")
      expect(ticks).toEqual([])

      yield* TestClock.adjust("1 second")
      expect(ticks).toEqual(["a"])
      yield* TestClock.adjust("1 hour")

      expect(ticks).toEqual(["a"])
      expect(yield* ask(new Active({ key: "t" }))).toBe(false)
    })
  )

  it.effect("sends its message again and again", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork()
      const { tell } = yield* Actor.start(definition)
      yield* tell(periodic("t", "a", "10 seconds"))

      yield* TestClock.adjust("35 seconds")

      expect(ticks).toEqual(["a", "a", "a"])
    })
  )

  it.effect("goes by a schedule", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork()
      const { tell } = yield* Actor.start(definition)
      yield* tell(periodic("t", "a", Schedule.exponential("1 second")))

      yield* TestClock.adjust("7 seconds")

      expect(ticks).toEqual(["a", "a", "a"])
    })
  )

  it.effect("is replaced by one of the same key, and not by one of another", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork()
      const { tell } = yield* Actor.start(definition)
      yield* tell(periodic("t", "a", "10 seconds"))
      yield* tell(single("u", "other", "10 seconds"))
      yield* TestClock.adjust("5 seconds")
      yield* tell(periodic("t", "b", "10 seconds"))

      yield* TestClock.adjust("10 seconds")

      expect(ticks).toEqual(["other", "b"])
    })
  )

  it.effect("that is replaced takes its message with it, though it waits in the mailbox already", () =>
    Effect.gen(function* () {
      const { definition } = clockwork()
      const { ask, tell } = yield* Actor.start(definition)
      const go = yield* Deferred.make<void>()
      yield* tell(single("t", "old", "1 second"))
      yield* tell(doing(() => Deferred.await(go)))
      yield* tell(single("t", "new", "1 second"))
      yield* TestClock.adjust("1 second")

      yield* Deferred.succeed(go, undefined)

      expect(yield* ask(new Ticks())).toEqual([])
      yield* TestClock.adjust("1 second")
      expect(yield* ask(new Ticks())).toEqual(["new"])
    })
  )

  it.effect("that is cancelled sends nothing, and takes back what waits in the mailbox", () =>
    Effect.gen(function* () {
      const { definition } = clockwork()
      const { ask, tell } = yield* Actor.start(definition)
      const go = yield* Deferred.make<void>()
      yield* tell(periodic("t", "a", "1 second"))
      yield* tell(doing(() => Deferred.await(go)))
      yield* tell(doing(({ timers }) => timers.cancel("t")))
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(go, undefined)
      expect(yield* ask(new Active({ key: "t" }))).toBe(false)

      yield* TestClock.adjust("1 minute")

      expect(yield* ask(new Ticks())).toEqual([])
    })
  )

  it.effect("that is cancelled, alone or with all others, takes no room in the mailbox any more", () =>
    Effect.gen(function* () {
      const room: Array<boolean> = []
      for (const cancel of ["one", "all"] as const) {
        const { tell } = yield* Actor.start(
          defineActor<{ readonly _tag: "Hang" } | { readonly _tag: "Tick" }>()({
            name: "narrow",
            capacity: 1,
            whenFull: "drop",
            onStart: ({ timers }) => timers.startPeriodic("t", { _tag: "Tick" }, "1 second"),
            handle: {
              Hang: (_, { timers }) =>
                Effect.andThen(cancel === "one" ? timers.cancel("t") : timers.cancelAll, Effect.never),
              Tick: () => Effect.void
            }
          })
        )
        yield* tell({ _tag: "Hang" })

        yield* TestClock.adjust("1 minute")

        room.push(yield* tell({ _tag: "Tick" }))
      }
      expect(room).toEqual([true, true])
    })
  )

  it.effect("is cancelled with all the others", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork()
      const { tell } = yield* Actor.start(definition)
      yield* tell(periodic("t", "a", "1 second"))
      yield* tell(single("u", "b", "1 second"))
      yield* tell(doing(({ timers }) => timers.cancelAll))

      yield* TestClock.adjust("1 minute")

      expect(ticks).toEqual([])
    })
  )

  it.effect("does not pile up messages in front of an actor that is slower", () =>
    Effect.gen(function* () {
      const { definition } = clockwork()
      const { ask, tell } = yield* Actor.start(definition)
      const go = yield* Deferred.make<void>()
      yield* tell(periodic("t", "a", "1 second"))
      yield* tell(doing(() => Deferred.await(go)))
      yield* TestClock.adjust("100 seconds")

      yield* Deferred.succeed(go, undefined)

      expect(yield* ask(new Ticks())).toEqual(["a"])
      yield* TestClock.adjust("1 second")
      expect(yield* ask(new Ticks())).toEqual(["a", "a"])
    })
  )

  it.effect("may be started by what another one has sent", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork(({ timers }) =>
        timers.startSingle("t", single("u", "nested", "1 second"), "1 second")
      )
      yield* Actor.start(definition)

      yield* TestClock.adjust("2 seconds")

      expect(ticks).toEqual(["nested"])
    })
  )

  it.effect("finds room in a full mailbox, in its turn", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const seen: Array<string> = []
      const { tell } = yield* Actor.start(
        defineActor<{ readonly _tag: "Hold" } | { readonly _tag: "Note"; readonly name: string }>()({
          name: "narrow",
          capacity: 1,
          whenFull: "drop",
          onStart: ({ timers }) => timers.startSingle("t", { _tag: "Note", name: "timer" }, "1 second"),
          handle: {
            Hold: () => Deferred.await(go),
            Note: ({ name }) => Effect.sync(() => void seen.push(name))
          }
        })
      )
      yield* tell({ _tag: "Hold" })
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      expect(yield* tell({ _tag: "Note", name: "told" })).toBe(true)
      yield* TestClock.adjust("1 second")

      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("1 second")

      expect(seen).toEqual(["told", "timer"])
    })
  )
})

describe("the timers of an actor", () => {
  it.effect("end when it is started again, with what of them waits in the mailbox", () =>
    Effect.gen(function* () {
      let life = 0
      const { definition, ticks } = clockwork(({ timers }) =>
        Effect.suspend(() => {
          life += 1
          return timers.startPeriodic("t", tick(`life ${life}`), "10 seconds")
        })
      )
      const actor = yield* Actor.make(definition)
      yield* actor.life.pipe(Effect.sandbox, Effect.retry(Schedule.recurs(1)), Effect.forkScoped)
      const go = yield* Deferred.make<void>()
      yield* actor.ref.tell(doing(() => Effect.andThen(Deferred.await(go), Effect.die("crash"))))
      yield* TestClock.adjust("10 seconds")

      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("9 seconds")
      expect(ticks).toEqual([])
      yield* TestClock.adjust("1 second")

      expect(ticks).toEqual(["life 2"])
    })
  )

  it.effect("end when it stops itself, fails, or is stopped", () =>
    Effect.gen(function* () {
      const { definition, ticks } = clockwork(({ timers }) =>
        timers.startPeriodic("t", tick("a"), "10 seconds")
      )
      const scope = yield* Scope.make()
      const { ref: stopped, ...voluntarily } = yield* Actor.make(definition)
      yield* stopped.tell(doing(({ stop }) => stop))
      const { ref: failed, ...failing } = yield* Actor.make(definition)
      yield* failed.tell(doing(() => Effect.die("crash")))
      yield* Scope.provide(Actor.start(definition), scope)

      yield* voluntarily.life
      yield* Effect.exit(failing.life)
      yield* Scope.close(scope, Exit.void)

      yield* TestClock.adjust("1 minute")
      expect(ticks).toEqual([])
    })
  )

  it.effect("go on while it ends, until its stop has run", () =>
    Effect.gen(function* () {
      let wasActive = false
      const { life } = yield* Actor.make(
        defineActor<{ readonly _tag: "Any" }>()({
          name: "ending",
          onStart: ({ stop, timers }) =>
            Effect.andThen(timers.startSingle("t", { _tag: "Any" }, "1 second"), stop),
          onStop: (_, { timers }) => Effect.sync(() => void (wasActive = timers.isActive("t"))),
          handle: { Any: () => Effect.void }
        })
      )

      yield* life

      expect(wasActive).toBe(true)
    })
  )
})
