import { describe, expect, test } from "bun:test"
import { Effect, Layer } from "effect"
import { luaKeys, partitionKeys } from "../../runtime/keys.ts"
import { buildScripts } from "../../runtime/redis/scripts.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Store } from "../../runtime/store.ts"
import { it } from "../support/effect.ts"
import { redisUrl } from "../support/redis.ts"
import { aClient, partition } from "../support/stores.ts"
import { settingsFor } from "../support/server.ts"
import { aTask, claim, end, submit, tasks, turn } from "../support/tasks.ts"

/** The rows of the table in the file's header: the name as written there, its first word, and its type. */
const rows = [...(await Bun.file("runtime/keys.ts").text()).matchAll(/^ \* \| `(.+?)` +\| (\S+) +\|/gm)].map(
  ([, written, type]) => ({ written: written!, name: written!.split(":")[0]!, type: type! })
)

const { base, ...keys } = partitionKeys("ns", "documents.0")

describe("the table of keys", () => {
  test("has a row for every name in use, and for no other", () => {
    expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(keys).toSorted())
  })

  test("is what the scripts use, all of it", () => {
    const used = Object.values(buildScripts()).flatMap(({ text }) =>
      [...text.matchAll(/\bkey\.(\w+)/g)].map(([, name]) => name!)
    )

    expect([...new Set(used)].toSorted()).toEqual(Object.keys(keys).toSorted())
  })

  test("gives every key of a partition the same hash tag", () => {
    expect(base).toBe("ns:{documents.0}:")
    for (const { name, written } of rows) {
      const key = keys[name as keyof typeof keys]

      expect(typeof key === "string" ? key : key("x")).toBe(
        written.replace(/^\w+(?=$|:)/, `${base}${name}`).replace(/<.+>/, "x")
      )
    }
  })

  test("is the same in Lua", () => {
    for (const { name, written } of rows) {
      expect(luaKeys).toContain(
        written.includes(":")
          ? `${name} = function(member) return base .. '${name}:' .. member end`
          : `${name} = base .. '${name}'`
      )
    }
  })

  it.live("tells the types that the keys have in Redis", () =>
    Effect.gen(function* () {
      const namespace = "keys-test"
      const types = yield* Effect.gen(function* () {
        const store = yield* Store
        const client = yield* aClient
        yield* submit(...tasks(4), aTask({ due: { afterMs: 60_000 } }))
        const [kept, buried, running] = yield* claim("w", 3)
        yield* store.append(partition, "w", [{ entry: running!, seq: 1, kind: "chunk", data: "1" }])
        yield* turn("w", { settled: [end(kept!), end(buried!, "F")], notes: [[running!, "{}"]] })
        const inbox = yield* store.inbox
        yield* store.ended(partition, [running!.slice(0, 26)], { watch: inbox.name })
        const old = aTask({ ulid: "01ARZ3NDEKTSV4RRFFQ69G5FAV", lane: "urgent" })
        yield* submit(old)
        yield* turn("w", { settled: [end((yield* claim("w", 1))[0]!)] })
        return yield* Effect.promise(async () => {
          const { base } = partitionKeys(namespace, partition)
          const names = await client.keys(`${base}*`)
          return Promise.all(
            names.map(async (key) => [key.slice(base.length).split(":")[0]!, await client.type(key)] as const)
          )
        })
      }).pipe(Effect.provide(RedisStore.layer().pipe(Layer.provide(settingsFor(redisUrl, { namespace })))))

      const stored = rows.filter(({ type }) => type !== "–")
      expect(Object.fromEntries(types)).toEqual(
        Object.fromEntries(stored.map(({ name, type }) => [name, type]))
      )
    })
  )
})
