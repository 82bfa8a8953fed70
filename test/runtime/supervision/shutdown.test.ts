/** A shutdown in phases. The cases are those of Akka's `CoordinatedShutdownSpec`, by their names, on a test clock. */
import { describe, expect, test } from "bun:test"
import { Deferred, Duration, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { longestOf, type Phase, phasesInOrder } from "../../../runtime/supervision/phases.ts"
import { coordinate, type Task } from "../../../runtime/supervision/shutdown.ts"
import { it } from "../../support/effect.ts"
import { Broken, quiet, recorded } from "../../support/supervised.ts"

const after = (...dependsOn: ReadonlyArray<string>): Phase => ({ dependsOn, timeout: "10 seconds" })
const empty = after()

const abc = { a: empty, b: after("a"), c: after("b", "a") }

/** What tasks say when they are done. */
const newStage = () => {
  const done: Array<string> = []
  const says = (word: string): Task["run"] => Effect.sync(() => void done.push(word))
  const task = (name: string, run: Task["run"] = says(name)): Task => ({ name, run })
  return { done, says, task }
}

describe("phases", () => {
  /** In an order in which each comes after what it depends on. */
  const sorted = (phases: Readonly<Record<string, Phase>>) => {
    const names = Result.getOrThrow(phasesInOrder(phases)).map(({ name }) => name)
    for (const [name, { dependsOn = [] }] of Object.entries(phases))
      for (const earlier of dependsOn) expect(names.indexOf(earlier)).toBeLessThan(names.indexOf(name))
    return names
  }

  test("sort phases in topological order", () => {
    expect(sorted({})).toEqual([])
    expect(sorted({ a: empty })).toEqual(["a"])
    expect(sorted({ b: after("a") })).toEqual(["a", "b"])
    expect(sorted({ c: after("a"), b: after("a") })).toEqual(["a", "c", "b"])
    expect(sorted({ b: after("a"), c: after("b") })).toEqual(["a", "b", "c"])
    expect(sorted({ b: after("a"), c: after("a", "b") })).toEqual(["a", "b", "c"])
    expect(sorted({ c: after("a", "b") })).toEqual(["a", "b", "c"])
    expect(sorted({ b: after("a"), c: after("b"), d: after("b", "c"), e: after("d") })).toEqual([
      "a",
      "b",
      "c",
      "d",
      "e"
    ])
    expect(sorted({ a2: after("a1"), a3: after("a2"), b2: after("b1"), b3: after("b2") })).toEqual([
      ...["a1", "a2", "a3"],
      ...["b1", "b2", "b3"]
    ])
  })

  test("detect cycles in phases (non-DAG)", () => {
    const circle = (phases: Readonly<Record<string, Phase>>) => {
      const sorted = phasesInOrder(phases)
      return Result.isFailure(sorted) ? sorted.failure.message : "none"
    }
    expect(circle({ a: after("a") })).toBe("phases.a.dependsOn makes a circle: a after a")
    expect(circle({ b: after("a"), a: after("b") })).toBe(
      "phases.a.dependsOn makes a circle: b after a after b"
    )
    expect(circle({ c: after("b"), b: after("c") })).toContain("c after b after c")
    expect(circle({ d: after("a", "c"), c: after("b"), b: after("d") })).toContain(
      "d after c after b after d"
    )
    expect(() => coordinate({ a: after("a") })).toThrow("makes a circle")
  })

  test("have defaults for what is left out, and bad deadlines are refused", () => {
    expect(Result.getOrThrow(phasesInOrder({ a: {}, b: { timeout: "15 seconds", recover: false } }))).toEqual(
      [
        { name: "a", timeoutMs: 5_000, recover: true, enabled: true, patient: false },
        { name: "b", timeoutMs: 15_000, recover: false, enabled: true, patient: false }
      ]
    )
    expect(() => coordinate({ a: { timeout: "soon" as never } })).toThrow(
      "phases.a.timeout must be a duration of at least 0"
    )
    expect(() => coordinate({ a: { timeout: -1 } })).toThrow("phases.a.timeout")
  })

  test("take together as long as their deadlines, those that are left out aside", () => {
    const phases = { a: empty, b: { enabled: false }, c: { timeout: "1 second" } } as const
    expect(Duration.toMillis(longestOf(Result.getOrThrow(phasesInOrder(phases))))).toBe(11_000)
  })
})

describe("a coordinated shutdown", () => {
  it.effect("run ordered phases", () =>
    Effect.gen(function* () {
      const { done, says, task } = newStage()
      const { add, run } = coordinate(abc)
      add("c", task("c1"))
      add("a", task("a1"))
      add("b", task("b1"))
      add("b", task("b2", Effect.andThen(Effect.sleep(100), says("b2"))))
      const running = yield* Effect.forkChild(run("test"))
      yield* quiet
      // What comes later waits for all of an earlier phase.
      expect(done).toEqual(["a1", "b1"])

      yield* TestClock.adjust(100)

      yield* Fiber.join(running)
      expect(done).toEqual(["a1", "b1", "b2", "c1"])
    })
  )

  it.effect("run the tasks of a phase side by side", () =>
    Effect.gen(function* () {
      const { task } = newStage()
      const { add, run } = coordinate(abc)
      const met = yield* Deferred.make<void>()
      add("a", task("waits", Deferred.await(met)))
      add("a", task("is waited for", Deferred.succeed(met, undefined)))

      yield* run("test")
    })
  )

  it.effect("cancel shutdown tasks", () =>
    Effect.gen(function* () {
      const { done, task } = newStage()
      const { add, run } = coordinate(abc)
      add("a", task("copy1"))
      const cancel = add("a", task("copy2"))
      add("a", task("copy3"))

      expect(cancel()).toBe(true)
      expect(cancel()).toBe(false)

      yield* run("test")
      expect(done).toEqual(["copy1", "copy3"])
    })
  )

  it.effect("re-register the same task if requested", () =>
    Effect.gen(function* () {
      const { done, task } = newStage()
      const { add, run } = coordinate(abc)
      const labor = task("labor")
      const cancel = add("a", labor)
      add("a", labor)
      add("a", labor)

      cancel()

      yield* run("test")
      expect(done).toEqual(["labor", "labor"])
    })
  )

  it.effect("honor registration and cancellation in later phases", () =>
    Effect.gen(function* () {
      const { done, says, task } = newStage()
      const { add, run } = coordinate({ a: empty, b: after("a") })
      const cancelled: Array<boolean> = []
      const cancels = (cancel: () => () => boolean) => Effect.sync(() => cancelled.push(cancel()()))
      const cancelA = add(
        "a",
        task(
          "A cancels B",
          Effect.andThen(
            cancels(() => cancelB),
            says("A cancels B")
          )
        )
      )
      const cancelB = add("b", task("B cancels A", says("never")))
      add(
        "a",
        task(
          "A adds B",
          Effect.sync(() => add("b", task("A adds B")))
        )
      )
      add(
        "a",
        task(
          "A adds A",
          Effect.sync(() => add("a", task("never, its phase has begun")))
        )
      )
      add(
        "b",
        task(
          "B adds A",
          Effect.sync(() => add("a", task("never, its phase is over")))
        )
      )
      add(
        "b",
        task(
          "B cancels A too late",
          cancels(() => cancelA)
        )
      )

      yield* run("test")

      expect(done).toEqual(["A cancels B", "A adds B"])
      expect(cancelled).toEqual([true, false])
    })
  )

  it.effect("run from a given phase", () =>
    Effect.gen(function* () {
      const { done, task } = newStage()
      const { add, reason, run } = coordinate(abc)
      for (const phase of ["a", "b", "c"] as const) add(phase, task(phase))

      yield* run("custom", "b")

      expect(done).toEqual(["b", "c"])
      expect(reason()).toBe("custom")
    })
  )

  it.effect("only run once", () =>
    Effect.gen(function* () {
      const { done, task } = newStage()
      const { add, isOver, reason, run } = coordinate(abc)
      add("a", task("a1"))
      expect([reason(), isOver()]).toEqual([undefined, false])

      yield* run("first")
      yield* run("second")

      expect(done).toEqual(["a1"])
      expect([reason(), isOver()]).toEqual(["first", true])
    })
  )

  it.effect("goes on for the others when the one who began it is interrupted", () =>
    Effect.gen(function* () {
      const { done, says, task } = newStage()
      const { add, run } = coordinate(abc)
      add("a", task("a1", Effect.andThen(Effect.sleep("1 second"), says("a1"))))
      add("b", task("b1"))
      const first = yield* Effect.forkChild(run("first"), { startImmediately: true })
      const second = yield* Effect.forkChild(run("second"), { startImmediately: true })
      yield* Fiber.interrupt(first)

      yield* TestClock.adjust("1 second")

      yield* Fiber.join(second)
      expect(done).toEqual(["a1", "b1"])
    })
  )

  it.effect("continue after timeout or failure", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function* () {
      const { done, says, task } = newStage()
      const { add, run } = coordinate({ ...abc, b: { dependsOn: ["a"], timeout: "100 millis" } })
      let interrupted = false
      add("a", task("a1", Effect.andThen(says("a1"), Effect.fail(new Broken({ message: "boom" })))))
      add("a", task("a2", Effect.andThen(Effect.sleep(100), says("a2"))))
      add("b", {
        name: "b1",
        run: Effect.andThen(says("b1"), Effect.never).pipe(
          // It is not waited for, whatever it does then.
          Effect.onInterrupt(() =>
            Effect.andThen(
              Effect.sync(() => (interrupted = true)),
              Effect.never
            )
          )
        ),
        waitsFor: () => ({ count: 12, of: "tasks", ids: Array.from({ length: 12 }, (_, at) => `t${at}`) })
      })
      add("c", task("c1"))
      const running = yield* Effect.forkChild(run("test"))
      yield* quiet

      yield* TestClock.adjust(100)
      yield* TestClock.adjust(100)

      yield* Fiber.join(running)
      expect(done).toEqual(["a1", "a2", "b1", "c1"])
      expect(interrupted).toBe(true)
      expect(lines).toContain("shutdown, a: a1 failed")
      expect(lines).toContain("shutdown, b, for at most 100ms: b1 (12 tasks)")
      expect(lines).toContain(
        "shutdown, b: cut after 100ms; not done: b1 (12 tasks: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more)"
      )
    }).pipe(Effect.provide(layer))
  })

  for (const [how, run] of [
    ["late", Effect.never],
    ["failed", Effect.fail(new Broken({ message: "boom" }))]
  ] as const) {
    it.effect(`abort if recover=off, when a task is ${how}`, () =>
      Effect.gen(function* () {
        const { done, task } = newStage()
        const shutdown = coordinate({
          ...abc,
          b: { dependsOn: ["a"], timeout: "100 millis", recover: false }
        })
        shutdown.add("b", task("b1", run))
        shutdown.add("c", task("c1"))
        const running = yield* Effect.forkChild(Effect.flip(shutdown.run("test")))
        yield* quiet

        yield* TestClock.adjust(100)

        expect(yield* Fiber.join(running)).toMatchObject({ _tag: "ShutdownAborted", phase: "b" })
        expect(done).toEqual([])
        expect(yield* Effect.flip(shutdown.run("again"))).toMatchObject({ _tag: "ShutdownAborted" })
      })
    )
  }

  it.effect("skip tasks in disabled phase", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function* () {
      const { done, task } = newStage()
      const { add, run } = coordinate({ ...abc, b: { dependsOn: ["a"], enabled: false, recover: false } })
      add("b", task("b1", Effect.die(new Error("was not to be done"))))
      add("c", task("c1"))

      yield* run("test")

      expect(done).toEqual(["c1"])
      expect(lines).toContain("shutdown, b: is left out")
    }).pipe(Effect.provide(layer))
  })

  it.effect("be possible to add tasks in later phase from task in earlier phase", () =>
    Effect.gen(function* () {
      const { done, says, task } = newStage()
      const { add, run } = coordinate(abc)
      add(
        "a",
        task(
          "a1",
          Effect.andThen(
            says("a1"),
            Effect.sync(() => add("b", task("b1")))
          )
        )
      )

      yield* run("test")

      expect(done).toEqual(["a1", "b1"])
    })
  )

  test("refuses a task of an unknown phase, and names those that there are", () => {
    expect(() => coordinate(abc).add("d" as never, newStage().task("d1"))).toThrow(
      'there is no phase "d"; there are a, b, c'
    )
  })

  for (const when of ["before it begins", "while it waits"]) {
    it.effect(`begins a patient phase all the same and cuts it when somebody is in a hurry ${when}`, () =>
      Effect.gen(function* () {
        const { done, says, task } = newStage()
        const hurry = yield* Deferred.make<void>()
        const { add, run } = coordinate(
          { a: { patient: true }, b: { dependsOn: ["a"] }, c: { dependsOn: ["b"], patient: true } },
          { hurried: Deferred.await(hurry) }
        )
        const begins = (word: string) => task(word, Effect.andThen(says(word), Effect.never))
        add("a", begins("a1"))
        add("b", task("b1", Effect.andThen(Effect.sleep("1 second"), says("b1"))))
        add("c", begins("c1"))
        if (when === "before it begins") yield* Deferred.succeed(hurry, undefined)
        const running = yield* Effect.forkChild(run("test"), { startImmediately: true })
        yield* quiet
        yield* Deferred.succeed(hurry, undefined)
        yield* quiet
        // What is not there to give others time takes its time.
        expect(done).toEqual(["a1"])

        yield* TestClock.adjust("1 second")

        yield* Fiber.join(running)
        expect(done).toEqual(["a1", "b1", "c1"])
      })
    )
  }
})
