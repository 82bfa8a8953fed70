import { describe, expect, spyOn, test } from "bun:test"
import { Effect } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { makeTranscript } from "../../api/cli/transcript.ts"

/** What is said on stderr of some events. */
const saidOf = async (events: ReadonlyArray<FollowEvent>): Promise<string> => {
  let said = ""
  const stderr = spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text)
    return true
  })
  try {
    await Effect.runPromise(Effect.forEach(events, makeTranscript(), { discard: true }))
  } finally {
    stderr.mockRestore()
  }
  return Bun.stripANSI(said)
}

const state = (state: "running" | "waiting" | "retrying" | "queued", attempt: number): FollowEvent => ({
  type: "state",
  state,
  attempt
})
const again = (attempt: number): FollowEvent => ({ type: "attempt", attempt, reset: true })

describe("what is said of an attempt that begins", () => {
  test("is that its children have ended, where it waited for some", async () => {
    expect(await saidOf([state("running", 1), state("waiting", 1), state("queued", 1), again(2)])).toContain(
      "its children have ended: attempt 2 begins, from the start\n"
    )
  })

  test("is only that it begins, where nobody saw why", async () => {
    for (const before of [[], [state("waiting", 1), state("retrying", 2)], [state("waiting", 1), again(2)]]) {
      expect((await saidOf([...before, again(3)])).split("\n").at(-2)).toBe(
        "attempt 3 begins, from the start"
      )
    }
  })
})
