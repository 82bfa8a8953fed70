/** What every store promises of steps and children, in sentences. Each runs in a namespace of its own. */
import { describe, expect } from "bun:test"
import { Effect, type Layer } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"
import { type Step, StepRefused, Steps } from "../../runtime/steps.ts"
import { Admission } from "../../runtime/admission.ts"
import { orphanMs, Store } from "../../runtime/store.ts"
import type { Settlement } from "../../runtime/turn.ts"
import { encodeRecord } from "../../runtime/record.ts"
import {
  type Entry,
  idIn,
  nextRun,
  runOfEntry,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../../runtime/task.ts"
import { partition, type StoreUnderTest } from "../support/stores.ts"
import { anEnvelope, aTask, aUlid, claim, end, found, release, submit, turn } from "../support/tasks.ts"
import { advance, letterOf, promisesOn } from "../support/promises.ts"

const first: Step = { number: 0, name: "fetch", value: `{"bytes":3}` }

/** A task that worker `w` runs. */
const aRun = Effect.fnUntraced(function* () {
  yield* submit(aTask())
  return (yield* claim("w", 1))[0]!
})

const aChildOf = (entry: Entry) => {
  const id = idIn(partition, aUlid())
  return { id, task: aTask({ ulid: ulidOfId(id), parent: idIn(partition, ulidOfEntry(entry)) }) }
}

const adopt = Effect.fnUntraced(function* (
  entry: Entry,
  number: number,
  child: TaskId,
  { anew = false, worker = "w" } = {}
) {
  const steps = yield* Steps
  return yield* steps.adopt(partition, worker, entry, {
    number,
    name: "submit test",
    value: JSON.stringify(child),
    child,
    anew
  })
})

/** How a run ends to wait for children. */
const wait = (entry: Entry, ...children: ReadonlyArray<TaskId>): Settlement => ({
  kind: "wait",
  entry,
  record: encodeRecord({ letter: "Q", lane: "normal", run: runOfEntry(entry) + 1, crashes: 0 }, anEnvelope()),
  children
})

export const stepsSuite = (
  name: string,
  storeWith: (over?: Partial<SettingsShape>) => Layer.Layer<StoreUnderTest>
): void => {
  const promise = promisesOn(storeWith)

  const recall = (entry: Entry) => Steps.use((steps) => steps.recall(partition, ulidOfEntry(entry)))
  const remember = (entry: Entry, step: Step, worker = "w") =>
    Steps.use((steps) => steps.remember(partition, worker, entry, step))

  describe(`steps in ${name}`, () => {
    promise("are none at first", function* () {
      expect(yield* recall(yield* aRun())).toEqual([])
    })

    promise("are recalled in the order of their numbers, as they were remembered", function* () {
      const entry = yield* aRun()
      const steps = [10, 2, 0, 9].map((number) => ({
        number,
        name: `step ${number}`,
        value: `"a\\nb ${number}"`
      }))
      for (const step of steps) expect(yield* remember(entry, step)).toEqual(step)
      yield* remember(entry, { number: 11, name: "nothing", value: "" })

      const recalled = yield* recall(entry)

      expect(recalled.map(({ number }) => number)).toEqual([0, 2, 9, 10, 11])
      expect(recalled[0]).toEqual(steps[2])
      expect(recalled[4]).toEqual({ number: 11, name: "nothing", value: "" })
    })

    promise("stay what they were when they are said again", function* () {
      const entry = yield* aRun()
      yield* remember(entry, first)

      expect(yield* remember(entry, { ...first, name: "other", value: "2" })).toEqual(first)
      expect(yield* recall(entry)).toEqual([first])
    })

    promise("are refused to a worker that does not hold the run, and nothing is written", function* () {
      const entry = yield* aRun()

      expect(yield* Effect.flip(remember(entry, first, "other"))).toEqual(new StepRefused({ entry }))
      expect(yield* Effect.flip(remember(nextRun(entry), first))).toBeInstanceOf(StepRefused)
      yield* turn("w", { settled: [release(entry)] })
      expect(yield* Effect.flip(remember(entry, first))).toBeInstanceOf(StepRefused)
      expect(yield* recall(entry)).toEqual([])
    })

    promise("are there for the next run, and gone when the task has ended", function* () {
      const entry = yield* aRun()
      yield* remember(entry, first)
      yield* turn("w", { settled: [release(entry)] })
      const [again] = yield* claim("w", 1)
      expect(yield* recall(again!)).toEqual([first])

      yield* turn("w", { settled: [end(again!)] })

      expect(yield* recall(entry)).toEqual([])
    })

    promise("are known of until the task has ended, whatever runs it", function* () {
      const [one, other, none] = [yield* aRun(), yield* aRun(), yield* aRun()]
      yield* remember(one, first)
      yield* remember(other, first)
      const ulids = [none, other, one].map(ulidOfEntry)
      const known = Steps.use((steps) => steps.known(partition, ulids))
      expect(yield* known).toEqual([ulidOfEntry(other), ulidOfEntry(one)])
      yield* turn("w", { settled: [release(one)] })
      expect(yield* known).toEqual([ulidOfEntry(other), ulidOfEntry(one)])

      yield* turn("w", { settled: [end(other)] })

      expect(yield* known).toEqual([ulidOfEntry(one)])
      expect(yield* Steps.use((steps) => steps.known(partition, []))).toEqual([])
    })

    promise("of one task are not those of another", function* () {
      const one = yield* aRun()
      const other = yield* aRun()
      yield* remember(one, first)
      yield* remember(other, { ...first, value: "2" })
      yield* turn("w", { settled: [end(one)] })

      expect(yield* recall(other)).toEqual([{ ...first, value: "2" }])
    })
  })

  describe(`children in ${name}`, () => {
    promise("are remembered by their ids", function* () {
      const entry = yield* aRun()
      const { id } = aChildOf(entry)

      expect(yield* adopt(entry, 0, id)).toEqual({
        number: 0,
        name: "submit test",
        value: JSON.stringify(id)
      })
      expect(yield* recall(entry)).toHaveLength(1)
      expect(yield* Effect.flip(adopt(entry, 1, id, { worker: "other" }))).toBeInstanceOf(StepRefused)
    })

    promise("keep their parent waiting until the last of them has ended", function* () {
      const parent = yield* aRun()
      const children = [aChildOf(parent), aChildOf(parent)]
      for (const [at, { id, task }] of children.entries()) {
        yield* adopt(parent, at, id)
        yield* submit(task)
      }
      yield* turn("w", { settled: [wait(parent, ...children.map(({ id }) => id))] })
      expect((yield* found(ulidOfEntry(parent)))?.place).toEqual({ kind: "waiting" })
      const runs = yield* claim("w", 10)
      expect(runs).toHaveLength(2)

      yield* turn("w", { settled: [end(runs[0]!)] })
      expect(yield* claim("w", 10)).toEqual([])

      yield* turn("w", { settled: [end(runs[1]!, "F")] })
      expect(yield* claim("w", 10)).toEqual([nextRun(parent)])
    })

    /** A run whose only child has ended. */
    const outlived = Effect.gen(function* () {
      const parent = yield* aRun()
      const { id, task } = aChildOf(parent)
      yield* adopt(parent, 0, id)
      yield* submit(task)
      const [run] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(run!)] })
      return { parent, id }
    })

    promise("that have ended before are not waited for", function* () {
      const { id, parent } = yield* outlived

      yield* turn("w", { settled: [wait(parent, id)] })

      expect(yield* claim("w", 1)).toEqual([nextRun(parent)])
    })

    promise("that have ended are not waited for because a call that was given up runs late", function* () {
      const { id, parent } = yield* outlived
      yield* adopt(parent, 0, id)

      yield* turn("w", { settled: [wait(parent, id)] })

      expect(yield* claim("w", 1)).toEqual([nextRun(parent)])
    })

    promise("are waited for when a later run submits them anew", function* () {
      const { id, parent } = yield* outlived
      yield* adopt(parent, 0, id, { anew: true })

      yield* turn("w", { settled: [wait(parent, id)] })

      expect((yield* found(ulidOfEntry(parent)))?.place).toEqual({ kind: "waiting" })
    })

    promise("are cancelled after their parent", function* () {
      const parent = yield* aRun()
      const { id, task } = aChildOf(parent)
      yield* adopt(parent, 0, id)
      yield* submit(task)
      const store = yield* Store

      const cancelled = yield* store.cancel(partition, ulidOfEntry(parent), "enough")

      expect(cancelled).toEqual({ kind: "cancelled", children: [id] })
    })

    promise("that come after the cancel of their parent are cancelled as they come", function* () {
      const parent = yield* aRun()
      const [plain, guarded, other] = [aChildOf(parent), aChildOf(parent), aChildOf(parent)]
      const store = yield* Store
      const cancel = ({ task }: typeof plain) =>
        store.cancel(partition, task.ulid, "its parent is gone", { orphan: true })
      expect(yield* cancel(plain)).toEqual({ kind: "missing" })
      yield* cancel(guarded)

      yield* submit(plain.task, other.task)
      yield* Admission.use((admission) => admission.admit(partition, guarded.task, []))

      expect(yield* letterOf(plain.task.ulid)).toBe("C")
      expect((yield* found(plain.task.ulid))!.record).toContain("its parent is gone")
      expect(yield* letterOf(guarded.task.ulid)).toBe("C")
      expect(yield* claim("w", 10)).toEqual([other.task.entry])
      // Said again, it finds what it has stored.
      yield* submit(plain.task, other.task)
      expect(yield* claim("w", 10)).toEqual([])
    })

    promise("that come a minute after it are not, nor is another task that somebody cancelled", function* () {
      const parent = yield* aRun()
      const [late, unknown] = [aChildOf(parent), aChildOf(parent)]
      const store = yield* Store
      yield* store.cancel(partition, late.task.ulid, "its parent is gone", { orphan: true })
      yield* store.cancel(partition, unknown.task.ulid, "no more")
      yield* advance(orphanMs)

      yield* submit(late.task, unknown.task)

      expect(yield* letterOf(late.task.ulid)).toBe("Q")
      expect(yield* letterOf(unknown.task.ulid)).toBe("Q")
    })
  })
}
