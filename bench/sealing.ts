/** What it costs a task that payloads are sealed: processor time of what its record goes through from submit to result. */
import { Effect, Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { type KeyRing, readKeyRing } from "../runtime/encryption/key-ring.ts"
import { openRecord, sealRecord } from "../runtime/encryption/records.ts"
import { encodeRecord } from "../runtime/record.ts"
import { idIn } from "../runtime/task.ts"
import { makeUlid } from "../runtime/ulid.ts"
import type { Bench, Measured, Metric } from "./frame.ts"
import { troupe } from "./systems/troupe.ts"

const sizes = [100, 1_000, 10_000, 100_000]
const cost: Metric = { name: "CPU", unit: "µs/task", better: "less" }

/** How many characters are sealed for each size. */
const charactersOf = (quick: boolean) => (quick ? 20_000_000 : 100_000_000)
const tasksMax = 20_000

const id = idIn("default.0", makeUlid()(0))

/** In microseconds. */
const cpu = () => {
  const { system, user } = process.cpuUsage()
  return user + system
}

/** A task is sealed at its submit and its end, and opened for its run and its reader. */
const costOf = (ring: KeyRing, size: number, count: number): number => {
  const json = JSON.stringify({ name: "bench", input: "x".repeat(size) })
  const record = encodeRecord({ letter: "Q", lane: "normal", run: 1, crashes: 0 }, json)
  const start = cpu()
  for (let task = 0; task < count; task++) {
    for (let time = 0; time < 2; time++) openRecord(ring, id, sealRecord(ring, id, record))
  }
  return (cpu() - start) / count
}

export const sealing: Bench = {
  name: "sealing",
  says: "what it costs a task that payloads are sealed in Redis",
  about: () => [
    "processor time of two sealings and two openings, in all processes together, by the size of the input"
  ],
  systems: [troupe],
  round: ({ quick }) =>
    Effect.sync(() => {
      const key = `bench:${randomBytes(32).toString("base64")}`
      const ring = Redacted.value(Result.getOrThrow(readKeyRing(key)))
      return sizes.map((size): Measured => {
        const count = Math.min(tasksMax, Math.ceil(charactersOf(quick) / size / 4))
        costOf(ring, size, Math.ceil(count / 10))
        return { case: `${size} characters`, metric: cost, value: costOf(ring, size, count) }
      })
    }),
  bars: []
}
