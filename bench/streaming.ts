/**
 * A process of the bench of streams: the API, a worker, or the clients that follow.
 *
 *     bun bench/streaming.ts ROLE URL
 *
 * Chunks carry the time at which they were emitted, on the clock that all processes of a machine share. It ends when its
 * channel closes.
 */
import { Effect, Layer, Redacted } from "effect"
import { Shutdown } from "../actors/shutdown.ts"
import * as Tree from "../actors/tree.ts"
import { apiLayer } from "../api/cli/service.ts"
import { connect, defineTask } from "../api/client/index.ts"
import * as Server from "../api/http/server.ts"
import { Settings } from "../runtime/config.ts"

const [role = "", url = ""] = process.argv.slice(2)
const say = (value: unknown) => process.send!(value)

const now = () => performance.timeOrigin + performance.now()

interface Streaming {
  readonly chunks: number
  readonly everyMs: number
}

/** Tasks begin to emit together, once all who follow them do. */
let go = Promise.withResolvers<void>()

/** Emits at an even pace, whatever becomes of what it has emitted. */
const stream = defineTask({
  name: "bench.stream",
  run: async (given: unknown, ctx) => {
    const { chunks, everyMs } = given as Streaming
    await go.promise
    // Tasks do not know of each other, so their chunks do not come at the same moments.
    const begin = performance.now() + Math.random() * everyMs
    for (let n = 0; n < chunks; n++) {
      await Bun.sleep(Math.max(0, begin + n * everyMs - performance.now()))
      ctx.emit({ at: now() }).catch(() => {})
    }
    return "done"
  }
})

export interface Following {
  readonly port: number
  readonly ids: ReadonlyArray<string>
  /** How many follow each of them. */
  readonly each: number
}

/** What came of it: how long each chunk took, and how many followers saw the end. */
export interface Followed {
  readonly chunks: number
  readonly ended: number
  readonly p50: number
  readonly p99: number
  readonly longest: number
}

const follow = async ({ each, ids, port }: Following): Promise<Followed> => {
  const times: Array<number> = []
  let ended = 0
  const all = Promise.withResolvers<void>()
  const wanted = ids.length * each
  const one = (id: string) => {
    let rest = ""
    return Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) =>
          void socket.write(`GET /v1/tasks/${id}/events HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`),
        data: (socket, data) => {
          const arrived = now()
          const text = rest + data.toString("latin1")
          const last = text.lastIndexOf("\n")
          rest = text.slice(last + 1)
          for (const [, at] of text.slice(0, last + 1).matchAll(/"at":([\d.]+)/g))
            times.push(arrived - Number(at))
          if (!text.includes("event: end")) return
          socket.terminate()
          if (++ended === wanted) all.resolve()
        }
      }
    })
  }
  for (let n = 0; n < wanted; n += 200) {
    await Promise.all(
      Array.from({ length: Math.min(200, wanted - n) }, (_, at) => one(ids[(n + at) % ids.length]!))
    )
  }
  say({ kind: "following" })
  await Promise.race([all.promise, Bun.sleep(120_000)])
  times.sort((a, b) => a - b)
  const at = (quantile: number) => times[Math.floor((times.length - 1) * quantile)] ?? Number.NaN
  return { chunks: times.length, ended, p50: at(0.5), p99: at(0.99), longest: at(1) }
}

const settings = Settings.layer({ redisUrl: Redacted.make(url), port: 0 })

if (role === "api") {
  Effect.runFork(
    apiLayer([stream]).pipe(
      Layer.tap((context) => Effect.sync(() => say({ kind: "ready", url: Server.urlIn(context) }))),
      Layer.provide(Tree.store("redis")),
      Layer.provide(Shutdown.layer),
      Layer.provide(settings),
      Layer.launch
    )
  )
} else {
  const troupe =
    role === "worker"
      ? await connect({ redisUrl: url, handlers: [stream], work: { queues: { default: 400 } } })
      : undefined
  const obey = async ({ args, command }: { command: string; args: never }) => {
    if (command === "follow") say({ kind: "followed", value: await follow(args) })
    else if (command === "go") {
      go.resolve()
      go = Promise.withResolvers()
    } else if (command === "submit") {
      const { count, ...input } = args as Streaming & { count: number }
      const tasks = await Promise.all(Array.from({ length: count }, () => troupe!.submit(stream, input)))
      say({ kind: "submitted", value: tasks.map(({ id }) => id) })
    }
  }
  process.on("message", (message: Parameters<typeof obey>[0]) => void obey(message))
  say({ kind: "ready" })
}
process.on("message", ({ command }: { command: string }) => {
  if (command !== "usage") return
  const { system, user } = process.cpuUsage()
  say({ kind: "usage", value: { bytes: process.memoryUsage.rss(), micros: system + user } })
})
process.on("disconnect", () => process.exit(0))
