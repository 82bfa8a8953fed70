/**
 * `bun run soak [--minutes 30] [--rate 40]`
 *
 * Mixed load on a node with its workers, its API and a private Redis of its own, for so long. Memory, file descriptors,
 * connections and keys are sampled, and a line is laid through each; it ends with 1 when one of them rises by more than
 * its bound. What is kept for a time is kept for a minute, so that keys that stay are seen.
 */
import { NodeServices } from "@effect/platform-node"
import { Duration, Effect, Exit, Scope } from "effect"
import { Redis } from "ioredis"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { connect } from "../../api/client/index.ts"
import { startPrivate } from "../../runtime/redis/private.ts"
import { addressOf } from "../support/address.ts"
import { counter, flaky, limited, parent, plain, slow, streamed } from "./handlers/mixed.ts"
import { type Bound, isFlat, type Sample, slopeOf } from "./slopes.ts"

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, rate: { type: "string", default: "40" } }
})
const [minutes, rate] = [Number(values.minutes), Number(values.rate)]
if (!(minutes >= 1) || !(rate > 0)) {
  console.error("bun run soak: --minutes is at least 1, and --rate, in rounds a second, more than 0")
  process.exit(2)
}

const sampleEveryMs = 5_000

/** How long everything is kept that is kept for a time; of idempotency keys whoever submits says it. */
const kept = "1 minute"

/** What comes before is growth that everybody has: caches, compiled code, and what is kept for a minute. */
const warmUpSeconds = Math.min(100, minutes * 60 * 0.5)

/** By how much each may rise from the end of the warm-up to the end. */
const bounds = {
  "memory of the processes, MiB": { share: 0.2, beside: 20 },
  "memory of Redis, MiB": { share: 0.2, beside: 5 },
  "file descriptors": { share: 0.05, beside: 5 },
  "connections to Redis": { share: 0.05, beside: 2 },
  keys: { share: 0.2, beside: 50 }
} as const satisfies Readonly<Record<string, Bound>>

type Figure = keyof typeof bounds

const folder = mkdtempSync(`${tmpdir()}/troupe-soak-`)
const scope = Scope.makeUnsafe()
const { url } = await startPrivate({ folder: `${folder}/redis` }).pipe(
  Effect.provide(NodeServices.layer),
  Scope.provide(scope),
  Effect.runPromise
)
const node = Bun.spawn(
  [
    process.execPath,
    resolve(import.meta.dir, "../../api/main.ts"),
    "up",
    "--no-sample",
    "--port",
    "0",
    "--workers",
    "2"
  ],
  {
    cwd: folder,
    env: {
      ...process.env,
      REDIS_URL: url,
      TROUPE_HANDLERS: resolve(import.meta.dir, "handlers"),
      TROUPE_RETENTION: kept,
      TROUPE_DEAD_RETENTION: kept,
      TROUPE_LOG: "error"
    },
    stdout: "ignore",
    stderr: "pipe"
  }
)

/** Where the API listens, as the node says when it does. */
const apiUrl = await (async () => {
  const decoder = new TextDecoder()
  const reader = node.stderr.getReader() as ReadableStreamDefaultReader<Uint8Array>
  let said = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the node ended: ${said}`)
    said += decoder.decode(value, { stream: true })
    const found = /http:\/\/[\d.]+:\d+/.exec(said)
    if (found === null) continue
    // What goes wrong from now on is to be seen.
    const drain = async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        process.stderr.write(next.value)
    }
    drain().catch(() => {})
    return found[0]
  }
})()

const troupe = await connect({ redisUrl: url, settings: { retention: Duration.fromInputUnsafe(kept) } })
const redis = new Redis({ ...addressOf(url) })
const began = performance.now()
const seconds = () => (performance.now() - began) / 1_000
const done = { rounds: 0, failed: new Map<string, number>() }

// ---------------------------------------------------------------------------------------------------------
// The load
// ---------------------------------------------------------------------------------------------------------

const kinds: ReadonlyArray<(number: number) => Promise<unknown>> = [
  (number) => troupe.ask(plain, { number }),
  (number) => troupe.submitAll(Array.from({ length: 20 }, () => ({ task: plain, input: { number } }))),
  (number) => troupe.submit(plain, { number }, { key: `k${number % 20}` }),
  (number) => troupe.submit(plain, { number }, { delay: "2 seconds", tags: ["late"] }),
  (number) => troupe.submit(plain, { number }, { idempotencyKey: `i${number >> 3}` }).catch(() => {}),
  (number) => troupe.submit(flaky, { number }),
  (number) => troupe.submit(limited, { number }),
  (number) => troupe.ask(parent, { number }),
  async (number) => {
    const task = await troupe.submit(slow, { number })
    await Bun.sleep(100)
    await task.cancel()
  },
  async (number) => {
    const task = await troupe.submit(streamed, { number })
    for await (const event of task.events()) if (event.type === "end") break
  },
  (number) => troupe.agent(counter, `a${number % 20}`).ask("add", { number }),
  async (number) => {
    const response = await fetch(`${apiUrl}/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "soak.streamed", input: { number } })
    })
    const { id } = (await response.json()) as { readonly id: string }
    await (await fetch(`${apiUrl}/v1/tasks/${id}/events`)).text()
    await (await fetch(`${apiUrl}/v1/tasks?limit=20`)).text()
  }
]

/** A round that takes longer hangs, and fails. */
const roundMaxMs = 60_000

const tooLong = async () => {
  await Bun.sleep(roundMaxMs)
  throw new Error(`no end within ${roundMaxMs} ms`)
}

const load = async () => {
  const flying = new Set<Promise<void>>()
  for (let number = 0; seconds() < minutes * 60; number++) {
    const kind = number % kinds.length
    const round = Promise.race([kinds[kind]!(number), tooLong()]).then(
      () => void (done.rounds += 1),
      (thrown: unknown) => {
        const what =
          `kind ${kind}: ${thrown instanceof Error ? `${thrown.constructor.name}: ${thrown.message}` : String(thrown)}`
            .replaceAll(/\S*[0-9A-Z]{26}/g, "<id>")
            .slice(0, 200)
        done.failed.set(what, (done.failed.get(what) ?? 0) + 1)
      }
    )
    flying.add(round)
    void round.finally(() => flying.delete(round))
    // Who is slow is waited for: load without a bound would measure its own queue.
    if (flying.size >= 200) await Promise.race(flying)
    await Bun.sleep(1_000 / rate)
  }
  await Promise.all(flying)
}

// ---------------------------------------------------------------------------------------------------------
// The samples
// ---------------------------------------------------------------------------------------------------------

const childrenOf = (pid: number): ReadonlyArray<number> => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number)
  return children.flatMap((child) => [child, ...childrenOf(child)])
}

const residentOf = (pid: number) => {
  const [, kib = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kib) / 1_024
}

const samples = new Map<Figure, Array<Sample>>()
const keep = (figure: Figure, value: number) => {
  const list = samples.get(figure) ?? []
  list.push({ at: seconds(), value })
  samples.set(figure, list)
}

const sample = async () => {
  const pids = [node.pid, ...childrenOf(node.pid)]
  const sum = (of: (pid: number) => number) => pids.reduce((sum, pid) => sum + of(pid), 0)
  const info = await redis.info()
  const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0)
  keep("memory of the processes, MiB", sum(residentOf))
  keep(
    "file descriptors",
    sum((pid) => readdirSync(`/proc/${pid}/fd`).length)
  )
  keep("memory of Redis, MiB", figure("used_memory") / 2 ** 20)
  keep("connections to Redis", figure("connected_clients"))
  keep("keys", await redis.dbsize())
}

const watch = async () => {
  while (seconds() < minutes * 60) {
    // A process may end while it is looked at.
    await sample().catch((thrown: unknown) => console.error(`no sample: ${String(thrown)}`))
    await Bun.sleep(sampleEveryMs)
  }
}

await Promise.all([load(), watch()])
await troupe.close()
redis.disconnect()
node.kill("SIGTERM")
const code = await node.exited
await Effect.runPromise(Scope.close(scope, Exit.void))
rmSync(folder, { recursive: true, force: true })

console.log(`${done.rounds} rounds of mixed load in ${minutes} minutes; the node ended with ${code}`)
for (const [what, count] of done.failed) console.log(`  ${count} rounds failed: ${what}`)
let rises = 0
for (const [figure, all] of samples) {
  const slope = slopeOf(all.filter(({ at }) => at >= warmUpSeconds))
  const bound = bounds[figure]
  const flat = isFlat(slope, bound)
  if (!flat) rises += 1
  const most = slope.mean * bound.share + bound.beside
  console.log(
    `${flat ? "flat " : "RISES"}  ${figure.padEnd(30)} mean ${slope.mean.toFixed(1).padStart(8)}   slope ${slope.perHour.toFixed(1).padStart(8)} an hour   ` +
      `rise ${slope.rise.toFixed(1).padStart(7)} of at most ${most.toFixed(1).padStart(7)}   noise ${slope.noise.toFixed(1)}`
  )
}
process.exit(rises === 0 && code === 0 ? 0 : 1)
