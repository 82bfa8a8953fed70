/** Followers on real connections who read nothing: they are cut off, cost no memory, and lose nothing by it. */
import { describe, expect } from "bun:test"
import { Context, Deferred, Duration, Effect, Layer, type Scope } from "effect"
import { Follow } from "../../../actors/follow/follow.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Server from "../../../api/http/server.ts"
import { Settings } from "../../../runtime/config.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { apiOn } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aRun, numbers } from "../../support/follow.ts"
import { memorySettings } from "../../support/redis.ts"
import { aCaller } from "../../support/socket.ts"

const api = apiOn(Memory.layer, memorySettings)

const promise = <A, E>(
  sentence: string,
  body: () => Effect.Effect<A, E, Layer.Success<typeof api> | Scope.Scope>
) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(api)), 5_000)

/** A server that has little patience with followers. */
const aServer = Effect.gen(function* () {
  const settings = { ...(yield* Settings), grace: Duration.zero }
  const context = yield* Layer.build(
    Server.layerWith({ slow: "300 millis", heartbeat: "100 millis" }).pipe(
      Layer.provideMerge(Shutdown.layer),
      Layer.provide(Layer.succeed(Settings, settings))
    )
  )
  return Context.get(context, Server.HttpServer)
})

/** More than what the kernel takes for a client that does not read. */
const count = 120
const big = "x".repeat(200_000)

const followed = (are: boolean) =>
  Effect.gen(function* () {
    const { topics } = yield* Follow
    while ((yield* topics) > 0 !== are) yield* Effect.sleep(1)
  })

/** Completes the upgrade of a web socket, says one thing, and reads no more. */
const aSilentSocket = Effect.fnUntraced(function* (port: number, frame: string) {
  const heard = yield* Deferred.make<void>()
  const closed = yield* Deferred.make<void>()
  let bytes = 0
  const close = () => void Deferred.doneUnsafe(closed, Effect.void)
  const payload = Buffer.from(frame)
  // A client's frame is masked; a mask of zeros leaves it as it is.
  const masked = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
  const socket = yield* Effect.acquireRelease(
    Effect.promise(() =>
      Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: {
          open: (socket) =>
            void socket.write(
              [
                "GET /v1/ws HTTP/1.1",
                `host: localhost:${port}`,
                "connection: upgrade",
                "upgrade: websocket",
                "sec-websocket-version: 13",
                `sec-websocket-key: ${Buffer.from("0123456789abcdef").toString("base64")}`,
                "",
                ""
              ].join("\r\n")
            ),
          data: (socket, data) => {
            bytes += data.length
            if (!data.toString("latin1").startsWith("HTTP/1.1 101")) return
            socket.write(masked)
            socket.pause()
            Deferred.doneUnsafe(heard, Effect.void)
          },
          close,
          error: close
        }
      })
    ),
    (socket) => Effect.sync(() => socket.terminate())
  )
  yield* Deferred.await(heard)
  return { socket, bytes: () => bytes, closed: Deferred.await(closed) }
})

describe("a follower that reads nothing", () => {
  promise("of a stream is cut off, and comes back with its last id without a loss", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer
      const { run } = yield* aRun
      const path = `/v1/tasks/${run.id}/events`
      const slow = yield* aCaller({ port, path })
      yield* slow.take(1)
      slow.socket.pause()

      for (const _ of numbers(1, count)) yield* run.chunks(big)
      yield* followed(false)
      slow.socket.resume()
      const before = (yield* slow.rest).flatMap(({ id }) => id ?? [])
      yield* run.succeed("done")
      const last = before.at(-1) ?? "1-0"
      const after = yield* aCaller({ port, path, headers: { "last-event-id": last } })

      expect(before.length).toBeLessThan(count)
      expect([...before, ...(yield* after.rest).flatMap(({ id }) => id ?? [])]).toEqual([
        ...numbers(1, count).map((seq) => `1-${seq}`),
        "1-end"
      ])
    })
  )

  promise("of a web socket is cut off, and nothing is kept for it", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer
      const { run } = yield* aRun
      const silent = yield* aSilentSocket(port, JSON.stringify({ op: "subscribe", ref: 1, task: run.id }))
      yield* followed(true)

      for (const _ of numbers(1, count)) yield* run.chunks(big)
      yield* followed(false)
      silent.socket.resume()
      yield* silent.closed

      expect(silent.bytes()).toBeLessThan(count * big.length)
    })
  )
})
