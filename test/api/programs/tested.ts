/** A program with a system under test that is busy in every way when it is left. It ends by itself if nothing is left. */
import { Effect } from "effect"
import { defineTask } from "../../../api/client/index.ts"
import { testTroupe } from "../../../api/testing/index.ts"

const sleeps = defineTask.effect({ name: "sleeps", run: () => Effect.sleep("1 day") })
const never = defineTask({ name: "never", run: () => new Promise(() => {}) })
const stops = defineTask({
  name: "stops",
  run: (_, { signal }) =>
    new Promise((_, reject) => {
      const timer = setInterval(() => {}, 1_000)
      signal.addEventListener("abort", () => {
        clearInterval(timer)
        reject(new Error("stopped"))
      })
    })
})

{
  await using troupe = await testTroupe({ handlers: [sleeps, never, stops], patience: "20 millis" })
  const task = await troupe.submit(sleeps, {})
  await troupe.submit(never, {})
  await troupe.submit(stops, {})
  await troupe.submit(sleeps, {}, { delay: "1 hour" })
  task.result().catch(() => {})
  await troupe.advance("2 hours")
}
console.log("left")
