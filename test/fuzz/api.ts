/** An API on a private Redis, as malformed requests find it, and the keys that it keeps. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Layer, Redacted, References, Schema, Scope } from "effect"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Tree from "../../actors/tree.ts"
import { createApp } from "../../api/http/app.ts"
import { Settings } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import { defineTask } from "../../runtime/handler.ts"
import { startPrivate } from "../../runtime/redis/private.ts"
import * as Stores from "../../runtime/redis/stores.ts"
import { Handlers } from "../../runtime/registry.ts"
import { addressOf } from "../support/address.ts"
import type { Sent } from "./routes.ts"

/** A task that could be submitted, if anything about a request were right. */
const strict = defineTask({
  name: "strict",
  input: Schema.Struct({ name: Schema.String, count: Schema.Int }),
  run: () => null
})

const apiAt = (url: string, files: string) =>
  Tree.client.pipe(
    Layer.provideMerge(Layer.mergeAll(Stores.layer(), Handlers.layer({ given: [strict] }), Files.layer)),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
    Layer.provideMerge(Settings.layer({ redisUrl: Redacted.make(url), files, port: 0, log: "None" }, {}))
  )

/** How long an answer may take; one that takes longer hangs. */
const answerMaxMs = 10_000

/** What passes by itself: that somebody listens, what was counted, and what operators have tried. */
const isPassing = (key: string) => /:(control|lifecycle|stat|rate|audit|auditShares|audited)(:|$)/.test(key)

export interface Fuzzed {
  /** Sends a request, and says what is wrong with the answer, if anything is. */
  readonly send: (sent: Sent, each?: boolean) => Promise<string | undefined>
  /** The keys that there are. */
  readonly keys: () => Promise<ReadonlyArray<string>>
  readonly close: () => Promise<void>
}

export const openApi = async (): Promise<Fuzzed> => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-fuzz-`)
  const scope = Scope.makeUnsafe()
  const { url } = await startPrivate({ folder, durable: false }).pipe(
    Effect.provide(NodeServices.layer),
    Scope.provide(scope),
    Effect.runPromise
  )
  const context = await Effect.runPromise(Layer.buildWithScope(apiAt(url, `${folder}/files`), scope))
  const app = createApp(context)
  const { namespace } = Effect.runSyncWith(context)(Settings)
  const redis = new Redis({ ...addressOf(url) })

  const send = async ({ body, headers, method, path }: Sent, each = false) => {
    const controller = new AbortController()
    const hangs = Symbol("hangs")
    const { promise, resolve } = Promise.withResolvers<typeof hangs>()
    const timer = setTimeout(() => resolve(hangs), answerMaxMs)
    try {
      const answering = Promise.resolve(
        app.request(path, {
          method,
          headers,
          signal: controller.signal,
          ...(body === undefined || method === "GET" ? {} : { body })
        })
      )
      const response = await Promise.race([answering, promise])
      if (response === hangs) return `no answer within ${answerMaxMs} ms`
      await response.body?.cancel()
      if (response.status >= 500) return `answered ${response.status}`
      // Where each item has an answer of its own, all of them may be refused in one that is not.
      if (method !== "GET" && response.status < 400 && !each) return `was taken: ${response.status}`
      return undefined
    } finally {
      clearTimeout(timer)
      controller.abort()
    }
  }

  const keys = async () => {
    const found = new Set<string>()
    for await (const page of redis.scanStream({ match: `${namespace}*`, count: 1_000 }))
      for (const key of page as ReadonlyArray<string>) if (!isPassing(key)) found.add(key)
    return [...found].sort()
  }

  return {
    send,
    keys,
    close: async () => {
      redis.disconnect()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
