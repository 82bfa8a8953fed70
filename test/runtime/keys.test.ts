import { describe, expect, test } from "bun:test"
import { Effect, Layer } from "effect"
import { luaKeys, partitionKeys } from "../../runtime/keys.ts"
import { buildScripts } from "../../runtime/redis/scripts.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { it } from "../support/effect.ts"
import { everything } from "../support/everything.ts"
import { redisUrl } from "../support/redis.ts"
import { aClient } from "../support/stores.ts"
import { settingsFor } from "../support/server.ts"

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
    const used = [...buildScripts().text.matchAll(/\bkey\.(\w+)/g)].map(([, name]) => name!)

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

  test("tells names with a member from those without, in Lua as here", () => {
    const families = [...luaKeys.matchAll(/(\w+) = true/g)].map(([, name]) => name!)

    expect(families.toSorted()).toEqual(
      rows
        .filter(({ written }) => written.includes(":"))
        .map(({ name }) => name)
        .toSorted()
    )
  })

  it.live("tells the types that the keys have in Redis", () =>
    Effect.gen(function* () {
      const namespace = "keys-test"
      const client = yield* aClient
      const keys = yield* everything.pipe(
        Effect.andThen(Effect.promise(() => client.keys(`${namespace}:*`))),
        Effect.provide(RedisStore.layer().pipe(Layer.provide(settingsFor(redisUrl, { namespace }))))
      )
      const types = yield* Effect.promise(() =>
        Promise.all(
          keys.map(async (key) => [key.split("}:")[1]!.split(":")[0]!, await client.type(key)] as const)
        )
      )

      const stored = rows.filter(({ type }) => type !== "–")
      expect(Object.fromEntries(types)).toEqual(
        Object.fromEntries(stored.map(({ name, type }) => [name, type]))
      )
    })
  )
})
