import { describe, expect } from "bun:test"
import { Effect, Redacted } from "effect"
import { anyone } from "../../../actors/access/caller.ts"
import { KeyOperator } from "../../../actors/access/keys.ts"
import { jsonBody, redisApi, anApi, memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"

/** Makes a key and gives its text with its id. */
export const aKey = Effect.fnUntraced(function* (given: object) {
  const made = yield* KeyOperator.use((keys) => keys.create(anyone, given))
  return { ...made, key: Redacted.value(made.key) }
})

const bearer = (key: string, init: RequestInit = {}): RequestInit => ({
  ...init,
  headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${key}` }
})

for (const [store, layer] of [
  ["memory", memoryApi],
  ["Redis", redisApi]
] as const) {
  const promise = <A, E>(sentence: string, body: () => Effect.Effect<A, E, never>) =>
    it.live(sentence, () => Effect.suspend(body as never).pipe(Effect.provide(layer)) as never)

  describe(`keys, in ${store}`, () => {
    promise(
      "are asked for as soon as there is one, everywhere but at the health of the process",
      () =>
        Effect.gen(function* () {
          const { ask } = yield* anApi()
          expect((yield* ask("/v1/tasks")).status).toBe(200)

          const { key } = yield* aKey({ role: "read" })
          yield* Effect.sleep("1100 millis")

          const refused = yield* ask("/v1/tasks")
          expect(refused.status).toBe(401)
          expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="troupe"')
          expect(refused.body.type).toBe("unauthorized")
          expect((yield* ask("/v1/tasks", bearer(key))).status).toBe(200)
          expect((yield* ask("/healthz")).status).toBe(200)
          const other = yield* ask("/v1/tasks", bearer(`${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`))
          expect(other.status).toBe(401)
          expect(other.headers.get("www-authenticate")).toContain('error="invalid_token"')
          const role = yield* ask("/v1/tasks", bearer(key, jsonBody({ name: "test" })))
          expect(role.status).toBe(403)
          expect(role.headers.get("www-authenticate")).toContain('error="insufficient_scope", scope="submit"')
        }) as never
    )
  })
}
