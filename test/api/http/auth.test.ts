/** Keys, tickets, rates and the audit log, as callers of the API see them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Effect, Exit, Layer } from "effect"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Server from "../../../api/http/server.ts"
import { Access, accessPartition } from "../../../runtime/access.ts"
import { partitionKeys } from "../../../runtime/keys.ts"
import { openAccess } from "../../support/access.ts"
import { count } from "../../support/carts.ts"
import { aNamespace } from "../../support/redis.ts"
import { aClient } from "../../support/stores.ts"

const eventually = async (what: () => Promise<boolean>, withinMs: number) => {
  const start = performance.now()
  while (!(await what())) {
    if (performance.now() - start > withinMs) throw new Error(`not within ${withinMs} ms`)
    await Bun.sleep(20)
  }
}

for (const kind of ["memory", "redis"] as const) {
  describe(`access, with its keys in ${kind}`, () => {
    let one: Awaited<ReturnType<typeof openAccess>>
    /** Another API process of the same system; in memory there is only one. */
    let other: typeof one
    const namespace = aNamespace()
    beforeAll(async () => {
      one = await openAccess(kind, [count], { settings: { namespace } })
      other = kind === "memory" ? one : await openAccess(kind, [count], { settings: { namespace } })
    })
    afterAll(async () => {
      await one.close()
      if (other !== one) await other.close()
    })

    test.concurrent("lets everybody in while there never was a key, and nobody without one from then on", async () => {
      const settings = { namespace: aNamespace() }
      const open = await openAccess(kind, [count], { open: true, settings })
      const beside = kind === "memory" ? open : await openAccess(kind, [count], { open: true, settings })
      expect((await open.ask("GET", "/v1/stats")).status).toBe(200)
      expect((await beside.ask("GET", "/v1/stats")).status).toBe(200)

      const made = await open.ask("POST", "/v1/keys", { body: { role: "admin" } })

      expect(made.status).toBe(201)
      expect((await open.ask("GET", "/v1/stats")).status).toBe(401)
      expect(made.headers.get("cache-control")).toBe("no-store")
      const { id, key } = made.body
      for (const { ask } of [open, beside]) {
        await eventually(async () => (await ask("GET", "/v1/stats")).status === 401, 1_500)
        expect((await ask("GET", "/v1/stats", { key })).status).toBe(200)
        expect((await ask("GET", "/healthz")).status).toBe(200)
      }
      await open.ask("DELETE", `/v1/keys/${id}`, { key })
      for (const { ask } of [open, beside]) {
        await eventually(async () => (await ask("GET", "/v1/stats", { key })).status === 401, 1_500)
        expect((await ask("GET", "/v1/stats")).status).toBe(401)
      }
      for (const { close } of new Set([open, beside])) await close()
    })

    test.concurrent("lets nobody in without a key from the moment when it was shown one", async () => {
      const { aKey, ask, close } = await openAccess(kind, [count], {
        open: true,
        settings: { namespace: aNamespace() }
      })
      expect((await ask("GET", "/v1/stats")).status).toBe(200)
      const { key } = await aKey("default", "read")

      expect((await ask("GET", "/v1/stats", { key })).status).toBe(200)

      expect((await ask("GET", "/v1/stats")).status).toBe(401)
      await close()
    })

    test.concurrent("stores nothing that a key could be made of", async () => {
      const { id, key } = await one.aKey("acme", "read")
      const secret = key.slice(-64)
      const keys = await one.runtime.runPromise(Access.use((access) => access.keys))
      expect(keys.some((stored) => stored.key.id === id)).toBe(true)
      expect(JSON.stringify(keys)).not.toContain(secret)
      if (kind === "memory") return
      const { base } = partitionKeys(namespace, accessPartition)
      const stored = await Effect.runPromise(
        Effect.scoped(
          Effect.flatMap(aClient, (client) => Effect.promise(() => client.hgetall(`${base}access`)))
        )
      )
      expect(Object.keys(stored)).toContain(id)
      expect(JSON.stringify(stored)).not.toContain(secret)
    })

    test.concurrent("takes the earlier secret of a rotated key until its overlap is over", async () => {
      const admin = (await one.aKey("acme", "admin")).key
      const { id, key } = await one.aKey("acme", "read")
      const status = async (key: string) => (await one.ask("GET", "/v1/tasks", { key })).status

      const overlapping = await one.ask("POST", `/v1/keys/${id}/rotate`, { key: admin, body: {} })
      expect(overlapping.body).toMatchObject({ id, tenant: "acme", role: "read" })
      expect(await status(overlapping.body.key)).toBe(200)
      expect(await status(key)).toBe(200)

      const last = await one.ask("POST", `/v1/keys/${id}/rotate`, { key: admin, body: { overlapMs: 0 } })
      expect(await status(last.body.key)).toBe(200)
      expect([await status(key), await status(overlapping.body.key)]).toEqual([401, 401])
    })

    test.concurrent("refuses a revoked key in every process within a second, and ends what it follows", async () => {
      const admin = (await one.aKey("acme", "admin")).key
      const { id, key } = await one.aKey("acme", "read")
      const task = { name: "shop.count", delayMs: 60_000 }
      const living = (await one.ask("POST", "/v1/tasks", { key: admin, body: task })).body
      const followed = Promise.all(
        [one, other].map(({ ask }) => ask("GET", `/v1/tasks/${living.id}/events`, { key }))
      )
      for (const { ask } of [one, other]) expect((await ask("GET", "/v1/tasks", { key })).status).toBe(200)

      expect((await one.ask("DELETE", `/v1/keys/${id}`, { key: admin })).body).toMatchObject({
        state: "revoked"
      })

      await Promise.all(
        [one, other].map(({ ask }) =>
          eventually(async () => (await ask("GET", "/v1/tasks", { key })).status === 401, 1_200)
        )
      )
      for (const { status, text } of await followed) {
        expect({ status, isAtEnd: text.includes("event: end") }).toEqual({ status: 200, isAtEnd: false })
        // Not that the process goes away: to come back with the same key would lead nowhere.
        expect(text).toEndWith('event: away\ndata: {"reason":"what you were let in by counts no more"}\n\n')
      }
      expect((await one.ask("POST", `/v1/keys/${id}/rotate`, { key: admin })).body.type).toBe("key-over")
    })

    test.concurrent("takes no key that has expired", async () => {
      const { key } = await one.aKey("acme", "read", { expiresMs: 1_000 })
      expect((await one.ask("GET", "/v1/tasks", { key })).status).toBe(200)
      await eventually(async () => (await one.ask("GET", "/v1/tasks", { key })).status === 401, 1_500)
    })

    test.concurrent("gives tickets that open one stream once", async () => {
      const { key } = await one.aKey("acme", "submit")
      const { id } = (await one.ask("POST", "/v1/tasks", { key, body: { name: "shop.count" } })).body
      const another = (await one.ask("POST", "/v1/tasks", { key, body: { name: "shop.count" } })).body.id
      await one.ask("GET", `/v1/tasks/${id}/result?waitMs=5000`, { key })
      const ticket = async (body: object) =>
        (await one.ask("POST", "/v1/tickets", { key, body })).body.ticket as string

      const first = await ticket({ for: "task", task: id })
      const opened = await other.ask("GET", `/v1/tasks/${id}/events?ticket=${first}`)
      expect(opened.status).toBe(200)
      expect(opened.text).toContain("event: end")
      const again = await one.ask("GET", `/v1/tasks/${id}/events?ticket=${first}`)
      expect(again).toMatchObject({ status: 401, body: { type: "unauthorized" } })

      const wrong = await ticket({ for: "task", task: another })
      expect((await one.ask("GET", `/v1/tasks/${id}/events?ticket=${wrong}`)).status).toBe(401)
      const socket = await ticket({ for: "socket" })
      expect((await one.ask("GET", `/v1/tasks/${id}/events?ticket=${socket}`)).status).toBe(401)
      expect(
        (await one.ask("GET", `/v1/tasks/${id}?ticket=${await ticket({ for: "task", task: id })}`)).status
      ).toBe(401)
      expect(again.text).not.toContain(first)
    })

    test.concurrent("names all that a ticket can be for when it is asked for another", async () => {
      const { key } = await one.aKey("acme", "submit")
      const refused = async (body: object) => {
        const answer = await one.ask("POST", "/v1/tickets", { key, body })
        return { status: answer.status, errors: answer.body.errors }
      }

      expect(await refused({ for: "x" })).toEqual({
        status: 422,
        errors: [{ path: "/for", message: 'Expected "task" | "events" | "socket"' }]
      })
      expect(await refused({})).toMatchObject({ status: 422, errors: [{ path: "/for" }] })
      expect(await refused({ for: "task" })).toMatchObject({ status: 422, errors: [{ path: "/task" }] })
      expect(await refused({ for: "events", task: "x" })).toMatchObject({
        status: 422,
        errors: [{ path: "/task" }]
      })
    })

    test.concurrent("slows down a key to its rate, and says by how much", async () => {
      const { key } = await one.aKey("acme", "read", { rate: { count: 3, perMs: 60_000 } })
      const answers = []
      for (let at = 0; at < 4; at++) answers.push(await one.ask("GET", "/v1/tasks", { key }))

      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
      expect(answers.map(({ headers }) => headers.get("ratelimit-remaining"))).toEqual(["2", "1", "0", "0"])
      expect(answers[0]!.headers.get("ratelimit-limit")).toBe("3")
      expect(answers[3]!.body).toMatchObject({ type: "too-fast", status: 429 })
      expect(Number(answers[3]!.headers.get("retry-after"))).toBeWithin(1, 21)
      // When all of it is there again, of a refusal as of an answer.
      expect(Number(answers[2]!.headers.get("ratelimit-reset"))).toBeWithin(59, 61)
      expect(Number(answers[3]!.headers.get("ratelimit-reset"))).toBeWithin(59, 61)
      const free = await one.aKey("acme", "read")
      expect((await one.ask("GET", "/v1/tasks", { key: free.key })).status).toBe(200)
    })

    test.concurrent("notes what operators do and try to do, for the admins of their tenant", async () => {
      const admin = await one.aKey("gamma", "admin")
      const reader = await one.aKey("gamma", "read")
      const { id } = (
        await one.ask("POST", "/v1/tasks", { key: admin.key, body: { name: "shop.count", delayMs: 60_000 } })
      ).body
      await one.ask("POST", `/v1/tasks/${id}/reschedule`, { key: admin.key, body: { delayMs: 90_000 } })
      await one.ask("POST", `/v1/tasks/${id}/cancel`, { key: admin.key })
      await one.ask("POST", "/v1/dead/purge", { key: reader.key, body: {} })
      await one.ask("POST", "/v1/dead/purge?dryRun=1", { key: admin.key, body: {} })
      await one.ask("DELETE", "/v1/schedules/none", { key: admin.key })

      let noted: ReadonlyArray<Record<string, unknown>> = []
      await eventually(async () => {
        noted = (await one.ask("GET", "/v1/audit", { key: admin.key })).body.entries
        return noted.length >= 4
      }, 2_000)

      expect(noted.toSorted((a, b) => (String(a["what"]) < String(b["what"]) ? -1 : 1))).toMatchObject([
        { what: "cancelTask", on: `/v1/tasks/${id}/cancel`, who: admin.id, outcome: "done", tenant: "gamma" },
        { what: "deleteSchedule", on: "/v1/schedules/none", who: admin.id, outcome: "schedule-not-found" },
        { what: "purgeDead", on: "/v1/dead/purge", who: reader.id, role: "read", outcome: "forbidden" },
        { what: "rescheduleTask", on: `/v1/tasks/${id}/reschedule`, who: admin.id, outcome: "done" }
      ])
      const page = await one.ask("GET", "/v1/audit?limit=2", { key: admin.key })
      const rest = await one.ask("GET", `/v1/audit?limit=2&cursor=${page.body.next}`, { key: admin.key })
      expect([...page.body.entries, ...rest.body.entries]).toEqual([...noted])
    })

    test.concurrent("notes of an address no more than the log has room for", async () => {
      const admin = await one.aKey("epsilon", "admin")
      await one.ask("DELETE", `/v1/schedules/${"x".repeat(8_000)}`, { key: admin.key })

      let noted: ReadonlyArray<{ readonly on: string }> = []
      await eventually(async () => {
        noted = (await one.ask("GET", "/v1/audit", { key: admin.key })).body.entries
        return noted.length >= 1
      }, 2_000)

      expect(noted[0]!.on).toBe(`/v1/schedules/${"x".repeat(1_010)}…`)
    })

    test.concurrent("notes what a key may not do once a minute, and each thing that it may not do", async () => {
      const admin = await one.aKey("delta", "admin")
      const reader = await one.aKey("delta", "submit")
      for (let at = 0; at < 5; at++) {
        for (const { ask } of [one, other]) {
          expect((await ask("POST", "/v1/dead/purge", { key: reader.key, body: {} })).status).toBe(403)
        }
      }
      await one.ask("DELETE", "/v1/schedules/none", { key: reader.key })
      for (let at = 0; at < 2; at++) await one.ask("DELETE", "/v1/schedules/none", { key: admin.key })

      const noted = async (): Promise<ReadonlyArray<{ readonly what: string; readonly outcome: string }>> =>
        (await one.ask("GET", "/v1/audit", { key: admin.key })).body.entries
      await eventually(async () => (await noted()).length >= 4, 2_000)
      await Bun.sleep(50)

      expect((await noted()).map(({ outcome, what }) => `${what} ${outcome}`).toSorted()).toEqual([
        "deleteSchedule forbidden",
        "deleteSchedule schedule-not-found",
        "deleteSchedule schedule-not-found",
        "purgeDead forbidden"
      ])
    })

    test.concurrent("starts on an address that others reach only when there is a key", async () => {
      const listening = (settings: object) =>
        Effect.gen(function* () {
          const { runtime, aKey, close } = yield* Effect.promise(() =>
            openAccess(kind, [count], { settings: { host: "0.0.0.0", ...settings } })
          )
          const start = () =>
            runtime.runPromiseExit(
              Effect.scoped(Layer.build(Layer.provide(Server.layer, Shutdown.layer))) as never
            )
          const before = yield* Effect.promise(start)
          yield* Effect.promise(() => aKey("default", "admin"))
          yield* Effect.sleep("1100 millis")
          const after = yield* Effect.promise(start)
          yield* Effect.promise(close)
          return { before, after }
        })
      const { after, before } = await Effect.runPromise(listening({}))

      expect(Exit.isFailure(before) && String(before.cause)).toContain("TROUPE_HOST")
      expect(Exit.isSuccess(after)).toBe(true)
    })
  })
}
