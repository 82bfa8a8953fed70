import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import { decodeRecord, encodeRecord, endedStateOf } from "../../runtime/record.ts"
import {
  entryOf,
  idIn,
  lanePriority,
  laneOf,
  laneOfEntry,
  lanes,
  nextRun,
  partitionOf,
  partitionOfId,
  queueOf,
  runOfEntry,
  segmentOf,
  submittedAt,
  TaskId,
  ulidOfEntry,
  ulidOfId
} from "../../runtime/task.ts"
import { it } from "../support/effect.ts"
import { forAll } from "../support/property.ts"
import { ulidAt } from "../support/tasks.ts"

const Lane = Schema.Literals(lanes)
const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 }))
const ulid = ulidAt(1_900_000_000_000, 7)

describe("a lane", () => {
  test("is named by its priority, as a number or as a word", () => {
    for (const lane of lanes) expect([laneOf(lane), laneOf(lanePriority[lane])]).toEqual([lane, lane])
  })
})

describe("a task's id", () => {
  test.each([`default.0.${ulid}`, `a.12.${ulid}`, `my_queue-2.9999.${ulid}`, `${"q".repeat(63)}.0.${ulid}`])(
    "may be %s",
    (id) => expect(Schema.is(TaskId)(id)).toBe(true)
  )

  test.each([
    ["", "nothing"],
    [ulid, "a ULID alone"],
    [`default.${ulid}`, "without a partition"],
    [`default.0.${ulid.toLowerCase()}`, "in small letters"],
    [`default.0.8${ulid.slice(1)}`, "later than a ULID can be"],
    [`default.0.${ulid.slice(1)}`, "too short"],
    [`default.0.${ulid}0`, "too long"],
    [`default.0.${ulid}\n`, "followed by a line break"],
    [`default.0.${"U".repeat(26)}`, "of letters that no ULID has"],
    [`Default.0.${ulid}`, "of a queue in capitals"],
    [`-a.0.${ulid}`, "of a queue that starts with a sign"],
    [`${"q".repeat(64)}.0.${ulid}`, "of a queue with too long a name"],
    [`a.b.0.${ulid}`, "of a queue with a dot"],
    [`default.10000.${ulid}`, "of a partition beyond the last"],
    [`{x}.0.${ulid}`, "that would carry a hash tag of its own"]
  ])("is not %j: %s", (id) => expect(Schema.is(TaskId)(id)).toBe(false))

  test("says where the task lies", () => {
    const id = idIn(partitionOf("documents"), ulid)

    expect(id).toBe(TaskId.make(`documents.0.${ulid}`))
    expect(partitionOfId(id)).toBe("documents.0")
    expect(queueOf(partitionOfId(id))).toBe("documents")
    expect(ulidOfId(id)).toBe(ulid)
  })

  it.effect("says when the task was submitted", () =>
    forAll(Millis, (at) => expect(submittedAt(ulidAt(at, 1))).toBe(at), { size: 2 ** 48 })
  )

  it.effect("shares a segment with those of the same 1 024 ms, and with no others", () =>
    forAll(
      Schema.Tuple([Millis, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_000 }))]),
      ([at, after]) => {
        const [one, other] = [at, Math.min(at + after, 2 ** 48 - 1)]
        const together = Math.floor(one / 1_024) === Math.floor(other / 1_024)

        expect(segmentOf(ulidAt(one, 1)) === segmentOf(ulidAt(other, 2))).toBe(together)
      },
      { size: 2 ** 48 }
    )
  )
})

describe("an entry", () => {
  it.effect("gives back the id, the lane and the run of which it was made", () =>
    forAll(Schema.Tuple([Lane, Count]), ([lane, run]) => {
      const entry = entryOf(ulid, lane, run)

      expect([ulidOfEntry(entry), laneOfEntry(entry), runOfEntry(entry)]).toEqual([ulid, lane, run])
      expect(segmentOf(entry)).toBe(segmentOf(ulid))
    })
  )

  it.effect("has a next run, which is another entry of the same task", () =>
    forAll(Schema.Tuple([Lane, Count]), ([lane, run]) => {
      expect(nextRun(entryOf(ulid, lane, run))).toBe(entryOf(ulid, lane, run + 1))
    })
  )
})

describe("a record", () => {
  const LostRun = Schema.Struct({
    attempt: Count,
    worker: Schema.String.check(Schema.isPattern(/^[a-z0-9.-]{1,60}$/)),
    startedAt: Schema.optionalKey(Millis),
    lostAt: Millis
  })

  const Header = Schema.Struct({
    letter: Schema.Literals(["Q", "S", "F", "C", "E"]),
    lane: Lane,
    run: Count,
    crashes: Count,
    lost: Schema.optionalKey(Schema.NonEmptyArray(LostRun))
  })

  it.effect("gives back the header and the JSON of which it was made", () =>
    forAll(Schema.Tuple([Header, Schema.Record(Schema.String, Schema.String)]), ([header, value]) => {
      const json = JSON.stringify(value)

      expect(decodeRecord(encodeRecord(header, json))).toEqual({ header, json })
    })
  )

  test("keeps JSON of several lines whole", () => {
    const json = JSON.stringify({ text: "one\ntwo" }, null, 2)

    expect(decodeRecord(encodeRecord({ letter: "Q", lane: "low", run: 12, crashes: 2 }, json)).json).toBe(
      json
    )
  })

  test.each(["", "{}", "Q", "Qn1", "Qx1.0{}", "Zn1.0{}", " Qn1.0{}"])("is not %j", (text) => {
    expect(() => decodeRecord(text)).toThrow("not a task record")
  })

  test("says by its letter how the task ended, and nothing while it lives", () => {
    expect((["Q", "S", "F", "C", "E"] as const).map(endedStateOf)).toEqual([
      undefined,
      "succeeded",
      "failed",
      "cancelled",
      "expired"
    ])
  })
})
