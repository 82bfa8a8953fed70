import { describe, expect, test } from "bun:test"
import { groupOf, groupsMax, groupsOf, revivalOf, revivedOf } from "../../../actors/operate/dead-letters.ts"
import {
  decodeRecord,
  encodeRecord,
  type Header,
  type Outcome,
  pastMax,
  readEnvelope
} from "../../../runtime/record.ts"
import { aUlid } from "../../support/tasks.ts"

const group = (message: string) => groupOf({ type: "Error", message }).slice("Error: ".length)

describe("failures of one cause", () => {
  test("have one text, whatever numbers and ids they name", () => {
    for (const [message, text] of [
      ["row 17 of 20", "row <n> of <n>"],
      ["took 1234567890 ms, 1.5 s", "took <n> ms, <n>.<n> s"],
      ["no task default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE here", "no task <id> here"],
      ["no 01JCKZ4M8Q6T3V5W7X9Y0ABCDE", "no <id>"],
      ["file 7d12678d21cbd33697ba08df0c6eea85 is gone", "file <id> is gone"],
      ["user 6F9619FF-8B86-D011-B42D-00C04FC964FF", "user <id>"],
      ["deadbeef is a word, decade too", "deadbeef is a word, decade too"],
      ["\n  first line  \nsecond line 2", "first line"],
      ["", ""]
    ] as const) {
      expect(group(message)).toBe(text)
    }
  })

  test("have a text of bounded length", () => {
    expect(group("x".repeat(4_000))).toBe(`${"x".repeat(200)}…`)
  })

  test("are counted, the most frequent first, and only so many causes", () => {
    const errors = Array.from({ length: 300 }, (_, n) => ({
      type: "E",
      message: n < 100 ? "often 1" : "x".repeat(n - 99)
    }))

    const groups = groupsOf(errors)

    expect(groups).toHaveLength(groupsMax)
    expect(groups[0]).toEqual({ error: "E: often <n>", count: 100 })
  })
})

const outcome = (over: Partial<Outcome["task"]> = {}): Outcome => ({
  task: { name: "test", input: { a: 1 }, ...over },
  worker: "w2",
  startedAt: 50,
  finishedAt: 60,
  error: { type: "E", message: "last" }
})

const header = (run: number): Header => ({ letter: "F", lane: "normal", run, crashes: 0 })

const attempt = (n: number) => ({
  attempt: n,
  worker: "w1",
  startedAt: n,
  finishedAt: n + 1,
  error: { type: "E", message: `attempt ${n}` }
})

describe("a dead letter that goes back to work", () => {
  test("keeps what it is and every attempt, and none of them counts", () => {
    const revived = revivedOf(
      header(2),
      outcome({ key: "k", tags: ["a"], retry: { attempts: 2 }, past: [attempt(1)], failed: 1 })
    )

    expect(revived).toEqual({
      name: "test",
      input: { a: 1 },
      key: "k",
      tags: ["a"],
      retry: { attempts: 2 },
      past: [
        attempt(1),
        { attempt: 2, worker: "w2", startedAt: 50, finishedAt: 60, error: { type: "E", message: "last" } }
      ],
      failed: 0
    })
  })

  test("is bound to no time any more, and has nobody who waits at the end of a call", () => {
    const revived = revivedOf(header(1), outcome({ deadlineAt: 1, expiresAt: 2, dueAt: 3, reply: "r" }))

    expect(Object.keys(revived).toSorted()).toEqual(["failed", "input", "name", "past"])
  })

  test("says how many attempts are no longer listed", () => {
    const past = Array.from({ length: pastMax }, (_, n) => attempt(n + 1))

    const revived = revivedOf(header(pastMax + 1), outcome({ past, pastDropped: 4 }))

    expect(revived.past).toHaveLength(pastMax)
    expect(revived.past!.at(-1)!.attempt).toBe(pastMax + 1)
    expect(revived.pastDropped).toBe(5)
  })

  test("has an attempt even for a run that nobody saw start, as when its worker died", () => {
    const { startedAt: _, ...lost } = outcome()

    expect(revivedOf(header(3), lost).past).toEqual([
      { attempt: 3, worker: "w2", startedAt: 60, finishedAt: 60, error: { type: "E", message: "last" } }
    ])
  })

  test("lists each run that was lost with its worker once, where it was", () => {
    const { startedAt: _, ...task } = outcome({ past: [attempt(2)] })
    const lost = [1, 3, 4].map((run) => ({ attempt: run, worker: `w${run}`, lostAt: 10 * run }))

    const revived = revivedOf({ ...header(4), crashes: 3, lost }, task)

    expect(revived.past!.map(({ attempt, error, worker }) => [attempt, worker, error!.type])).toEqual([
      [1, "w1", "WorkerLost"],
      [2, "w1", "E"],
      [3, "w3", "WorkerLost"],
      [4, "w4", "WorkerLost"]
    ])
  })

  test("runs under its next number, with its crashes forgotten, as a run of it would be claimed", () => {
    const ulid = aUlid()
    const record = encodeRecord({ letter: "F", lane: "high", run: 3, crashes: 3 }, JSON.stringify(outcome()))

    const revival = revivalOf(ulid, record, { input: { value: "new" } })

    expect(revival).toMatchObject({ ulid, expected: record, entry: `${ulid}h4` })
    const { header, json } = decodeRecord(revival.record)
    expect(header).toEqual({ letter: "Q", lane: "high", run: 4, crashes: 0 })
    expect(readEnvelope(json).input).toBe("new")
  })

  test("is marked as waiting in its box", () => {
    const ulid = aUlid()
    const record = encodeRecord(
      { letter: "F", lane: "low", boxed: true, run: 1, crashes: 0 },
      JSON.stringify(outcome())
    )
    const box = { name: "|k", limit: 1, ordered: true }

    const revival = revivalOf(ulid, record, { box })

    expect(revival).toMatchObject({ entry: `${ulid}L2`, box })
    expect(revival.record).toStartWith("QL2.0")
  })
})
