import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { CurrentTask, defineTask } from "../../../api/client/effect.ts"
import { testTroupe } from "../../../api/testing/index.ts"

describe("a run that just lasts", () => {
  test("is looked at again when it tells of its progress", async () => {
    const slow = defineTask.effect({
      name: "slow",
      run: Effect.fnUntraced(function* () {
        const { progress } = yield* CurrentTask
        yield* Effect.sleep("1 hour")
        yield* progress(0.5, "half")
        yield* Effect.sleep("1 hour")
      })
    })
    await using troupe = await testTroupe({ handlers: [slow] })
    const { id } = await troupe.submit(slow, {})
    await troupe.advance("30 minutes")
    expect((await troupe.task(id)).progress).toBeUndefined()
    await troupe.advance("31 minutes")
    expect((await troupe.task(id)).progress).toEqual({ fraction: 0.5, message: "half" })
  })

  test("gives its permit back soon after it was cancelled", async () => {
    const narrow = defineTask.effect({
      name: "narrow",
      limits: [{ key: "one", concurrency: 1 }],
      run: () => Effect.sleep("1 hour")
    })
    await using troupe = await testTroupe({ handlers: [narrow] })
    const first = await troupe.submit(narrow, {})
    const second = await troupe.submit(narrow, {})
    await troupe.advance("1 minute")
    expect([await first.state(), await second.state()]).toEqual(["running", "queued"])

    await first.cancel()
    await troupe.advance("2 seconds")

    expect(await second.state()).toBe("running")
  })
})
