import { describe, expect, test } from "bun:test"
import { encodeRecord, type Header, type LostRun, type PastAttempt } from "../../runtime/record.ts"
import { idIn } from "../../runtime/task.ts"
import { viewOf } from "../../runtime/view.ts"
import { ulidAt } from "../support/tasks.ts"

const id = idIn("default.0", ulidAt(1_900_000_000_000, 7))

const failure: PastAttempt = {
  attempt: 2,
  worker: "w2",
  startedAt: 30,
  finishedAt: 40,
  error: { type: "E", message: "it failed" }
}

const lost: ReadonlyArray<LostRun> = [
  { attempt: 1, worker: "w1", startedAt: 10, lostAt: 20 },
  { attempt: 3, worker: "w3", lostAt: 60 }
]

const header: Header = { letter: "Q", lane: "normal", run: 4, crashes: 2, lost }

describe("a task whose worker died", () => {
  test("lists that run among its attempts, in order, as one that used up none", () => {
    const record = encodeRecord(header, JSON.stringify({ name: "test", input: 1, past: [failure] }))

    const { attempts } = viewOf(id, { record, place: { kind: "lane" } }, () => undefined)

    const error = { type: "WorkerLost", message: expect.stringContaining("worker") }
    expect(attempts).toEqual([
      { attempt: 1, worker: "w1", startedAt: 10, finishedAt: 20, error, counted: false },
      failure,
      // Nobody noted its start.
      { attempt: 3, worker: "w3", startedAt: 60, finishedAt: 60, error, counted: false }
    ])
  })

  test("lists it after its end, too", () => {
    const task = { name: "test", past: [failure] }
    const outcome = { task, worker: "w4", startedAt: 70, finishedAt: 80, output: "done" }
    const record = encodeRecord({ ...header, letter: "S" }, JSON.stringify(outcome))

    const { attempts } = viewOf(id, { record, place: { kind: "ended" } }, () => undefined)

    expect(attempts.map(({ attempt, worker }) => [attempt, worker])).toEqual([
      [1, "w1"],
      [2, "w2"],
      [3, "w3"],
      [4, "w4"]
    ])
  })
})

describe("a task that ended while it ran, by somebody else's hand", () => {
  const error = { type: "Cancelled", message: "not needed" }
  const ended = (over: object, lost?: Header["lost"]) => {
    const outcome = { task: { name: "test" }, worker: "w", finishedAt: 80, error, ...over }
    const header: Header = { letter: "C", lane: "normal", run: 2, crashes: 0, ...(lost && { lost }) }
    const record = encodeRecord(header, JSON.stringify(outcome))
    return viewOf(id, { record, place: { kind: "ended" } }, () => undefined)
  }

  test("lists that run, from when it is known to have begun", () => {
    expect(ended({ startedAt: 70 })).toMatchObject({
      attempt: 2,
      startedAt: 70,
      attempts: [{ attempt: 2, worker: "w", startedAt: 70, finishedAt: 80, error }]
    })
    expect(ended({}).attempts).toMatchObject([{ startedAt: 80, finishedAt: 80 }])
  })

  test("lists no run that never began, and a lost one once", () => {
    expect(ended({ worker: "" })).toMatchObject({ attempt: 1, attempts: [] })
    expect(ended({}, [{ attempt: 2, worker: "w", lostAt: 80 }]).attempts).toMatchObject([
      { attempt: 2, error: { type: "WorkerLost" } }
    ])
  })
})

describe("a task that a run of another has submitted", () => {
  const parent = idIn("other.0", ulidAt(1_900_000_000_000, 6))

  test("names its parent while it lives", () => {
    const record = encodeRecord({ ...header, lost: [] }, JSON.stringify({ name: "test", parent, input: 1 }))

    const view = viewOf(id, { record, place: { kind: "lane" } }, () => undefined)

    expect(view.parent).toBe(parent)
  })

  test("names it after its end, too", () => {
    const outcome = { task: { name: "test", parent }, worker: "w4", startedAt: 70, finishedAt: 80, output: 1 }
    const record = encodeRecord({ ...header, lost: [], letter: "S" }, JSON.stringify(outcome))

    const view = viewOf(id, { record, place: { kind: "ended" } }, () => undefined)

    expect(view.parent).toBe(parent)
  })
})
