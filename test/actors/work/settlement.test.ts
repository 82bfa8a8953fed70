import { describe, expect, test } from "bun:test"
import type { Ending } from "../../../actors/work/attempt.ts"
import { type Claimed, keptInputMax, outcomeOf, settlementOf } from "../../../actors/work/settlement.ts"
import type { Failure } from "../../../runtime/fault.ts"
import { decodeRecord, type Envelope, pastMax, readEnvelope, readOutcome } from "../../../runtime/record.ts"
import { entryOf, type TaskId } from "../../../runtime/task.ts"
import { aUlid } from "../../support/tasks.ts"

const at = { worker: "w", startedAt: 1_000, finishedAt: 1_500, random: 0.5 }
const error = { type: "Busy", message: "later" }

const aClaim = (over: Partial<Envelope> = {}, rest: Partial<Claimed> & { run?: number } = {}): Claimed => {
  const { run = 1, ...claimed } = rest
  const envelope: Envelope = { name: "some", input: 1, ...over }
  return {
    entry: entryOf(aUlid(), "high", run),
    header: { letter: "Q", lane: "high", run, crashes: 1 },
    json: JSON.stringify(envelope),
    envelope,
    retry: { attempts: 3, backoff: { baseMs: 100, jitter: false } },
    backoff: undefined,
    ...claimed
  }
}

const failing = (failure: Partial<Failure> = {}): Ending => ({
  kind: "failure",
  failure: { error, fatal: false, ...failure }
})

/** What the next run of a task is given, and when. */
const nextOf = (claimed: Claimed, ending: Ending) => {
  const settlement = settlementOf(claimed, ending, at)
  if (settlement.kind !== "retry" && settlement.kind !== "wait") throw new Error("the task has ended")
  const { header, json } = decodeRecord(settlement.record)
  return {
    header,
    envelope: readEnvelope(json),
    json,
    delayMs: settlement.kind === "retry" ? settlement.delayMs : undefined
  }
}

/** The claim of the run that follows. */
const claimedAgain = (claimed: Claimed, ending: Ending): Claimed => {
  const { envelope, header, json } = nextOf(claimed, ending)
  return { ...claimed, envelope, header, json }
}

describe("a run that gave an output", () => {
  test("ends its task, with what was submitted", () => {
    const settlement = settlementOf(aClaim({ tags: ["a"] }), { kind: "output", json: `{"n":1}` }, at)

    expect(settlement.kind).toBe("end")
    const { header, json } = decodeRecord((settlement as { record: string }).record)
    expect(header).toEqual({ letter: "S", lane: "high", run: 1, crashes: 1 })
    expect(readOutcome(json)).toEqual({
      task: { name: "some", input: 1, tags: ["a"] },
      worker: "w",
      startedAt: 1_000,
      finishedAt: 1_500,
      output: { n: 1 }
    })
  })

  test("keeps no large input", () => {
    const settlement = settlementOf(
      aClaim({ input: "x".repeat(keptInputMax) }),
      { kind: "output", json: "1" },
      at
    )

    expect("input" in readOutcome(decodeRecord((settlement as { record: string }).record).json).task).toBe(
      false
    )
  })
})

describe("a run that failed", () => {
  test("is followed by another after the backoff, which lists it and counts it", () => {
    const { delayMs, envelope, header } = nextOf(aClaim(), failing())

    expect(delayMs).toBe(100)
    expect(header).toEqual({ letter: "Q", lane: "high", run: 2, crashes: 1 })
    expect(envelope).toEqual({
      name: "some",
      input: 1,
      past: [{ attempt: 1, worker: "w", startedAt: 1_000, finishedAt: 1_500, error }],
      failed: 1,
      dueAt: 1_600
    })
  })

  test("ends its task once the attempts are spent, however many runs were lost between", () => {
    const second = aClaim({ failed: 1 }, { run: 7 })
    const third = aClaim({ failed: 2 }, { run: 8 })

    expect(settlementOf(second, failing(), at).kind).toBe("retry")
    expect(settlementOf(third, failing(), at)).toMatchObject({
      kind: "end",
      record: expect.stringMatching(/^Fh8\.1/)
    })
  })

  test("ends its task at once when it is fatal", () => {
    const settlement = settlementOf(aClaim(), failing({ fatal: true }), at)

    expect(settlement.kind).toBe("end")
    expect(outcomeOf(settlement)).toBe("failed")
  })

  test("counts as its earlier runs do where the number of failures is not said", () => {
    const past = [1, 2].map((attempt) => ({ attempt, worker: "w", startedAt: 0, finishedAt: 1, error }))

    expect(settlementOf(aClaim({ past }, { run: 3 }), failing(), at).kind).toBe("end")
    expect(
      settlementOf(aClaim({ past: [past[0]!, { ...past[1]!, counted: false }] }, { run: 3 }), failing(), at)
        .kind
    ).toBe("retry")
  })

  test("waits as a function of its handler says, unless its submitter said a backoff", () => {
    const backoff = (failed: number, { type }: { type: string }) => (type === "Busy" ? failed * 7 : 0)

    expect(nextOf(aClaim({ failed: 1 }, { backoff }), failing()).delayMs).toBe(14)
    expect(nextOf(aClaim({ retry: { attempts: 9 } }, { backoff }), failing()).delayMs).toBe(7)
    expect(nextOf(aClaim({ retry: { backoff: { fixedMs: 5 } } }, { backoff }), failing()).delayMs).toBe(5)
    expect(nextOf(aClaim({}, { backoff: () => "nonsense" as never }), failing()).delayMs).toBe(100)
    expect(settlementOf(aClaim({ failed: 2 }, { backoff }), failing(), at).kind).toBe("end")
  })
})

describe("a run that says when to come back", () => {
  const after = { ms: 30_000, counted: true, limit: undefined }

  test("comes back then, and has used up an attempt", () => {
    const { delayMs, envelope } = nextOf(aClaim(), failing({ after }))

    expect(delayMs).toBe(30_000)
    expect(envelope).toMatchObject({ failed: 1, dueAt: 31_500 })
    expect(settlementOf(aClaim({ failed: 2 }), failing({ after }), at).kind).toBe("end")
  })

  test("has used up none when it says so, and is listed with its error", () => {
    const uncounted = failing({ after: { ...after, counted: false } })
    const { delayMs, envelope } = nextOf(aClaim({ failed: 2 }), uncounted)

    expect(delayMs).toBe(30_000)
    expect(envelope.failed).toBe(2)
    expect(envelope.past).toMatchObject([{ attempt: 1, error, counted: false }])
  })
})

describe("a run that snoozes, or waits for children,", () => {
  test("has used up no attempt and leaves no error", () => {
    const { delayMs, envelope } = nextOf(aClaim(), { kind: "snooze", afterMs: 60_000 })

    expect(delayMs).toBe(60_000)
    expect(envelope.past).toEqual([
      { attempt: 1, worker: "w", startedAt: 1_000, finishedAt: 1_500, counted: false }
    ])
    expect(envelope.failed).toBeUndefined()
  })

  test("waits for the children it has, under its next run", () => {
    const children = ["default.0.A", "other.0.B"] as ReadonlyArray<string> as ReadonlyArray<TaskId>
    const claimed = aClaim({ dueAt: 900 })
    const settlement = settlementOf(claimed, { kind: "wait", hasty: false, children }, at)

    expect(settlement).toMatchObject({ kind: "wait", entry: claimed.entry, children })
    expect(outcomeOf(settlement)).toBe("waiting")
    const { envelope, header } = nextOf(claimed, { kind: "wait", hasty: false, children })
    expect(header.run).toBe(2)
    // Nobody knows when the last child will have ended.
    expect(envelope.dueAt).toBeUndefined()
  })

  test("can go on for ever without its record growing", () => {
    let claimed = aClaim()
    const sizes: Array<number> = []
    for (let run = 0; run < 200; run++) {
      claimed = claimedAgain(claimed, { kind: "snooze", afterMs: 1 })
      sizes.push(claimed.json.length)
    }

    expect(claimed.envelope.past).toHaveLength(pastMax)
    expect(claimed.envelope.past?.at(-1)?.attempt).toBe(200)
    expect(claimed.envelope.pastDropped).toBe(200 - pastMax)
    expect(sizes[199]).toBeLessThan(sizes[40]! + 100)
  })

  test("does not make the task forget how often it has failed", () => {
    let claimed = claimedAgain(aClaim(), failing())
    for (let run = 0; run < 50; run++) claimed = claimedAgain(claimed, { kind: "snooze", afterMs: 1 })
    claimed = claimedAgain(claimed, failing())

    expect(claimed.envelope.failed).toBe(2)
    expect(settlementOf(claimed, failing(), at).kind).toBe("end")
  })
})
