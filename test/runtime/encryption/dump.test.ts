/**
 * A whole system over a Redis of its own, with a canary in everything that is payload: what Redis was sent, what it holds
 * and what it wrote to its disk has none of them.
 */
import { describe, expect } from "bun:test"
import { Effect, Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import * as z from "zod"
import { type ConnectOptions, connect, defineAgent, defineTask, Fatal } from "../../../api/client/index.ts"
import { type KeyRing, readKeyRing } from "../../../runtime/encryption/key-ring.ts"
import { openAccess } from "../../support/access.ts"
import { it } from "../../support/effect.ts"
import { aServer } from "../../support/server.ts"

/** Found nowhere by accident, and in no other text. */
const canary = (of: string) => `canary-${of}-Zq7x`

const keyOf = (name: string) => `${name}:${randomBytes(32).toString("base64")}`
const ringOf = (...keys: ReadonlyArray<string>): Redacted.Redacted<KeyRing> =>
  Result.getOrThrow(readKeyRing(keys.join(",")))

const quick = { attempts: 2, backoff: { base: "1 milli", jitter: false } } as const

const echo = defineTask({ name: "echo", run: (input) => ({ said: canary("output"), input }) })

const talk = defineTask({
  name: "talk",
  retry: quick,
  async run(_, ctx) {
    await ctx.step("think", () => canary("step"))
    await ctx.emit(canary("chunk"))
    await ctx.log(canary("log"))
    await ctx.progress(0.5, canary("progress"))
    if (ctx.attempt === 1) throw new Error(canary("retried"))
    // Long enough for a note.
    await Bun.sleep(150)
    const child = await ctx.submit("echo", { from: canary("child") })
    return ctx.all([child])
  }
})

const fail = defineTask({
  name: "fail",
  run: () => {
    throw new Fatal(canary("failure"), { type: "Closed" })
  }
})

const cart = defineAgent({
  name: "cart",
  state: {
    schema: z.object({ items: z.array(z.string()) }),
    initial: () => ({ items: [] as Array<string> })
  },
  messages: { add: { input: z.object({ item: z.string() }) }, remind: {} },
  handle: {
    async add({ item }, ctx) {
      ctx.setState({ items: [...ctx.state.items, item, canary("state")] })
      ctx.schedule("remind", { later: canary("timer") }, { delay: "1 hour", name: "reminder" })
      await ctx.tell("cart", "other", "remind", { told: canary("told") })
      return canary("reply")
    },
    async remind() {}
  }
})

const handlers = [echo, talk, fail, cart]

const troupeAt = (url: string, keys: Redacted.Redacted<KeyRing> | undefined, over: ConnectOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      connect({
        redisUrl: url,
        namespace: "sealed",
        handlers,
        settings: keys === undefined ? {} : { encryptionKeys: keys },
        ...over
      })
    ),
    (troupe) => Effect.promise(() => troupe.close())
  )

/** Everything that can carry a payload, once. */
const workload = Effect.fnUntraced(function* (url: string, keys: Redacted.Redacted<KeyRing> | undefined) {
  const troupe = yield* troupeAt(url, keys, { work: true })
  yield* Effect.promise(async () => {
    const heard = troupe.events({ tags: [canary("tag")] })[Symbol.asyncIterator]()
    expect((await heard.next()).value).toMatchObject({ type: "listening" })
    expect(await troupe.ask(echo, { of: canary("input") })).toMatchObject({ said: canary("output") })

    const talking = await troupe.submit(talk, null, { tags: [canary("tag")], idempotencyKey: "once" })
    const events = []
    for await (const event of talking.events()) events.push(event)
    expect(JSON.stringify(events)).toContain(canary("chunk"))
    expect(JSON.stringify(events)).toContain(canary("log"))
    expect(JSON.stringify(await talking.result())).toContain(canary("child"))
    const told = []
    while (told.at(-1)?.type !== "task.completed") told.push((await heard.next()).value)
    expect(told[0]).toMatchObject({ type: "task.submitted", tags: [canary("tag")] })
    expect(told).toContainEqual(
      expect.objectContaining({
        type: "task.progress",
        progress: { fraction: 0.5, message: canary("progress") }
      })
    )
    await heard.return?.()
    expect((await troupe.task(talking.id)).attempts[0]?.error?.message).toBe(canary("retried"))

    const failing = await troupe.submit(fail, { of: canary("dead") })
    expect(failing.result()).rejects.toMatchObject({ error: { message: canary("failure") } })
    await failing.result().catch(() => {})
    expect((await troupe.dead.list()).groups).toEqual([
      expect.objectContaining({ error: expect.stringContaining("Closed") })
    ])
    await troupe.retry(failing.id, { input: { of: canary("second") } })
    await failing.result().catch(() => {})

    const waiting = await troupe.submit(echo, canary("delayed"), { delay: "1 hour" })
    await waiting.cancel({ reason: canary("reason") })
    expect(waiting.result()).rejects.toMatchObject({ error: { message: canary("reason") } })
    const moved = await troupe.submit(echo, canary("moved"), { delay: "1 hour", queue: "first" })
    expect(await troupe.queues.move("first", { to: "second" })).toMatchObject({ count: 1 })
    await troupe.queues.purge("second", { reason: canary("purge") })
    expect((await troupe.tasks({ queue: "second" })).tasks).toMatchObject([
      { state: "cancelled", error: { message: canary("purge") } }
    ])
    expect((await troupe.task(moved.id)).state).toBe("cancelled")

    const agent = troupe.agent(cart, "ada")
    expect(await agent.ask("add", { item: canary("message") })).toBe(canary("reply"))
    expect(await agent.read()).toMatchObject({ state: { items: [canary("message"), canary("state")] } })
    await agent.stop(canary("stop"))
    expect(await agent.ask("add", { item: "tea" })).toBe(canary("reply"))

    await troupe.schedules.create(echo, canary("schedule"), { id: "often", every: "1 hour" })
    await troupe.schedules.run("often")
  })
})

const leaks = (text: string) => [...new Set(text.match(/canary-[a-z]+-Zq7x/g) ?? [])]

/** What Redis is told and what its scripts tell it, what it holds, and what lies in its folder, as one text. */
const seen = Effect.fnUntraced(function* (keys: Redacted.Redacted<KeyRing> | undefined) {
  const server = yield* aServer("--aof-use-rdb-preamble", "no", "--rdbcompression", "no")
  const client = yield* server.client
  const heard: Array<string> = []
  const monitor = yield* Effect.acquireRelease(
    Effect.promise(() => client.monitor()),
    (monitor) => Effect.sync(() => monitor.disconnect())
  )
  monitor.on("monitor", (_, args: ReadonlyArray<string>) => void heard.push(args.join(" ")))
  yield* workload(server.url, keys)
  yield* Effect.promise(() => client.save())
  const folder = server.url.replace(/^unix:/, "").replace(/\/[^/]*$/, "")
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => readFileSync(`${file.parentPath}/${file.name}`, "latin1"))
  expect(files.length).toBeGreaterThan(1)
  return [...heard, ...files].join("\n")
})

describe("a dump of Redis", () => {
  it.live(
    "shows no payload when there are encryption keys",
    () => Effect.map(seen(ringOf(keyOf("a"))), (text) => expect(leaks(text)).toEqual([])),
    30_000
  )

  it.live(
    "shows all of them when there are none, so that the test would see one",
    () =>
      Effect.map(seen(undefined), (text) =>
        expect(leaks(text).toSorted()).toEqual(
          [
            ...["child", "chunk", "dead", "delayed", "failure", "input", "log", "message", "moved", "output"],
            ...[
              "progress",
              "purge",
              "reason",
              "reply",
              "retried",
              "schedule",
              "second",
              "state",
              "step",
              "stop"
            ],
            ...["tag", "timer", "told"]
          ].map(canary)
        )
      ),
    30_000
  )
})

describe("a task whose key is not there", () => {
  const [old, young] = [keyOf("old"), keyOf("young")]

  it.live(
    "waits without losing an attempt, says why, and runs once the key is back",
    () =>
      Effect.gen(function* () {
        const server = yield* aServer()
        const ended = yield* Effect.scoped(
          Effect.gen(function* () {
            const troupe = yield* troupeAt(server.url, ringOf(old), { work: true })
            const done = yield* Effect.promise(() => troupe.submit(echo, "before"))
            yield* Effect.promise(() => done.result())
            yield* Effect.promise(() => troupe.agent(cart, "ada").ask("add", { item: "tea" }))
            yield* Effect.promise(() => troupe.schedules.create(echo, 1, { id: "often", every: "1 hour" }))
            return done.id
          })
        )
        const { id, told } = yield* Effect.scoped(
          Effect.gen(function* () {
            const submitter = yield* troupeAt(server.url, ringOf(old))
            const { id } = yield* Effect.promise(() => submitter.submit(echo, "waits"))
            const without = yield* troupeAt(server.url, ringOf(young), { work: true })
            return yield* Effect.promise(async () => {
              while ((await without.task(id)).state !== "retrying") await Bun.sleep(10)
              const view = await submitter.task(id)
              expect(view).toMatchObject({ name: "echo", error: { type: "PayloadUnreadable" } })
              expect(view.attempts[0]).toMatchObject({ counted: false })
              expect(await without.task(ended)).toMatchObject({
                state: "succeeded",
                error: { type: "PayloadUnreadable", message: expect.stringContaining('key "old"') }
              })
              const refused: unknown = await without.result(ended).catch((error: unknown) => error)
              expect(refused).toMatchObject({
                _tag: "PayloadUnreadable",
                key: "old",
                reason: "absent"
              })
              expect((await without.tasks()).tasks.length).toBeGreaterThan(1)
              expect((await without.agent(cart, "ada").read()).state).toEqual({
                unreadable: expect.stringContaining('key "old"')
              })
              expect(without.schedules.get("often")).rejects.toMatchObject({ _tag: "StoreError" })
              const { id: told } = await without.agent(cart, "ada").tell("add", { item: "milk" })
              while ((await without.task(told)).state !== "retrying") await Bun.sleep(10)
              return { id, told }
            })
          })
        )
        // Its worker has not got the key either, and is gone before the one that has is there.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const api = yield* Effect.acquireRelease(
              Effect.promise(() =>
                openAccess("redis", handlers, {
                  open: true,
                  settings: {
                    redisUrl: Redacted.make(server.url),
                    namespace: "sealed",
                    encryptionKeys: ringOf(young)
                  }
                })
              ),
              (api) => Effect.promise(() => api.close())
            )
            for (const path of [`${ended}/result`, `${ended}/input`, `${id}/input`]) {
              const answer = yield* Effect.promise(() => api.ask("GET", `/v1/tasks/${path}`))
              expect(answer).toMatchObject({ status: 503, body: { type: "payload-unreadable" } })
              expect(answer.text).not.toContain('"old"')
            }
          })
        )
        const both = yield* troupeAt(server.url, ringOf(young, old), { work: true })
        yield* Effect.promise(async () => {
          expect(await both.result(id)).toMatchObject({ input: "waits" })
          await both.result(told)
          expect((await both.agent(cart, "ada").read()).state).toMatchObject({
            items: ["tea", expect.anything(), "milk", expect.anything()]
          })
          expect(await both.result(ended)).toMatchObject({ input: "before" })
          expect((await both.schedules.get("often")).id).toBe("often")
        })
      }),
    30_000
  )
})
