/** Callbacks from the submit to a server of the test's own, over real connections. */
import { describe, expect, test } from "bun:test"
import { Duration, Effect, type Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { Webhook } from "standardwebhooks"
import { deliver, delayAfter, deliverName, putOff } from "../../../actors/callback/deliver.ts"
import { outputToldMax } from "../../../actors/callback/message.ts"
import { Dispatcher, SubmitRefused } from "../../../actors/dispatch/dispatcher.ts"
import { receiver } from "../../../docs/examples/webhooks/receiver.ts"
import type { SettingsShape } from "../../../runtime/config.ts"
import { defineTask, Fatal } from "../../../runtime/handler.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store } from "../../../runtime/store.ts"
import { type TaskId, ulidOfId } from "../../../runtime/task.ts"
import { readWebhookSecrets, type WebhookSecrets } from "../../../runtime/webhook-secrets.ts"
import { owedFor, webhooksPartition } from "../../../actors/callback/owed.ts"
import { placeSize, roomOf } from "../../../actors/callback/room.ts"
import { Limits } from "../../../runtime/limits.ts"
import { aFreePort } from "../../support/address.ts"
import { it } from "../../support/effect.ts"
import { localServer } from "../../support/network.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const aSecret = () => `whsec_${randomBytes(32).toString("base64")}`
const secretsOf = (...secrets: ReadonlyArray<string>): Redacted.Redacted<WebhookSecrets> =>
  Result.getOrThrow(readWebhookSecrets(secrets.join(",")))

const secret = aSecret()
const echo = defineTask({ name: "echo", run: (input) => input })
const fail = defineTask({
  name: "fail",
  run: () => {
    throw new Fatal("it is closed", { type: "Closed" })
  }
})
const idle = defineTask({ name: "idle", run: () => new Promise(() => {}) })

const settings: Partial<SettingsShape> = {
  webhookSecrets: secretsOf(secret),
  webhookNetworks: ["127.0.0.0/8"],
  drain: Duration.zero
}
const handlers = [echo, fail, idle, deliver]
const onMemory = (over: Partial<SettingsShape> = {}) =>
  Effect.provide(memorySystem(handlers, { ...settings, ...over }))
const onRedis = (over: Partial<SettingsShape> = {}) =>
  Effect.provide(redisSystem(handlers, { ...settings, ...over }))

interface Received {
  readonly headers: Record<string, string>
  readonly body: string
  readonly message: {
    type: string
    timestamp: string
    data: { task: Record<string, unknown>; output?: unknown }
  }
}

/** A receiver that answers each message with the next of some answers, the last one from then on. */
const aReceiver = Effect.fnUntraced(function* (...answers: ReadonlyArray<() => Response>) {
  const received: Array<Received> = []
  const waiting: Array<() => void> = []
  const { port } = yield* localServer(async (request) => {
    const body = await request.text()
    received.push({ headers: Object.fromEntries(request.headers), body, message: JSON.parse(body) })
    for (const wake of waiting.splice(0)) wake()
    return (answers[received.length - 1] ?? answers.at(-1) ?? (() => new Response()))()
  })
  return {
    url: `http://127.0.0.1:${port}/hook?token=t`,
    received,
    /** Succeeds with so many messages, once they have come. */
    some: (count: number) =>
      Effect.promise(async () => {
        while (received.length < count) {
          const { promise, resolve } = Promise.withResolvers<void>()
          waiting.push(resolve)
          await promise
        }
        return received
      })
  }
})

/** The delivery of a message, once it has got so far. */
const deliveryOf = Effect.fnUntraced(function* (messageId: string, until: ReadonlyArray<string>) {
  const { task } = yield* Dispatcher
  const id = `${webhooksPartition}.${messageId.slice("msg_".length)}` as TaskId
  return yield* Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), task(id)), {
    until: ({ state }) => until.includes(state)
  })
})

const messageId = ({ headers }: Received) => headers["webhook-id"]!

for (const [store, on] of [
  ["memory", onMemory],
  ["Redis", onRedis]
] as const) {
  describe(`a callback on ${store}`, () => {
    it.live("tells of a task's end, signed so that the scheme's own package takes it", () =>
      Effect.gen(function* () {
        const { some, url } = yield* aReceiver()
        const { submit } = yield* Dispatcher
        const { id } = yield* submit({
          name: "echo",
          input: { n: 1 },
          tags: ["a"],
          callback: { url, headers: { Authorization: "Bearer b", "User-Agent": "Ours" } }
        })
        const [one] = yield* some(1)
        expect(new Webhook(secret).verify(one!.body, one!.headers)).toEqual(one!.message)
        expect(one!.headers).toMatchObject({
          authorization: "Bearer b",
          "user-agent": "Ours",
          "content-type": "application/json"
        })
        expect(one!.message).toMatchObject({
          type: "task.completed",
          data: { task: { id, name: "echo", state: "succeeded", attempt: 1, tags: ["a"] }, output: { n: 1 } }
        })
        expect(Date.parse(one!.message.timestamp)).toBeWithin(Date.now() - 60_000, Date.now() + 60_000)
        expect(yield* deliveryOf(messageId(one!), ["succeeded"])).toMatchObject({ name: deliverName })
      }).pipe(on())
    )

    it.live("tells of each way to end, and only of those that were asked for", () =>
      Effect.gen(function* () {
        const { some, url } = yield* aReceiver()
        const { cancel, submit } = yield* Dispatcher
        yield* submit({ name: "echo", input: 1, callback: { url, events: ["task.failed"] } })
        yield* submit({ name: "fail", callback: url })
        const waiting = yield* submit({ name: "idle", delayMs: 60_000, callback: url })
        yield* cancel(waiting.id, "no more")
        yield* submit({ name: "idle", delayMs: 0, deadlineMs: 50, callback: url })
        const all = yield* some(3)
        // They come in any order.
        expect(all.map(({ message }) => [message.type, message.data.task["error"]])).toEqual(
          expect.arrayContaining([
            ["task.cancelled", { type: "Cancelled", message: "no more" }],
            ["task.failed", { type: "Closed", message: "it is closed" }],
            ["task.failed", { type: "Deadline", message: "it had not ended when its time was over" }]
          ])
        )
      }).pipe(on())
    )

    it.live("tells again what was not taken, under the same id, when the receiver says so", () =>
      Effect.gen(function* () {
        const busy = () => new Response("a".repeat(100_000), { status: 503, headers: { "retry-after": "0" } })
        const { some, url } = yield* aReceiver(busy, busy, () => new Response())
        const { submit } = yield* Dispatcher
        yield* submit({ name: "echo", input: 1, callback: url })
        const all = yield* some(3)
        expect(new Set(all.map(messageId)).size).toBe(1)
        for (const { body, headers } of all) new Webhook(secret).verify(body, headers)
        yield* deliveryOf(messageId(all[0]!), ["succeeded"])
      }).pipe(on())
    )

    it.live("tells of the end of a dead letter that was put back to work, too", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { some, url } = yield* aReceiver()
        const { submit } = yield* Dispatcher
        const { id } = yield* submit({ name: "fail", callback: url })
        const [first] = yield* some(1)
        const { revivalOf } = yield* Effect.promise(() => import("../../../actors/operate/dead-letters.ts"))
        const [found] = yield* store.read("default.0", [ulidOfId(id)])
        const { revive } = yield* Operations
        yield* revive("default.0", [revivalOf(ulidOfId(id), found!.record)])
        const all = yield* some(2)
        expect(all[1]!.message.data.task).toMatchObject({ id, attempt: 2 })
        expect(messageId(all[1]!)).not.toBe(messageId(first!))
      }).pipe(on())
    )
  })
}

/** How many places deliveries of the tenant `default` take up, once that is what they should be. */
const placesTaken = (until: (places: number) => boolean) =>
  Effect.repeat(
    Effect.andThen(
      Effect.sleep("10 millis"),
      Effect.map(
        Limits.use(({ states }) => states([roomOf("default")])),
        ([state]) => state!.running
      )
    ),
    { until: (places) => until(places) }
  )

/** An output of 25 places, where 256 are all there are, and one receiver may take up 128. */
const large = "x".repeat(24.4 * placeSize)
const littleRoom = { webhookBacklog: 1 }
const refuses = () => new Response(null, { status: 500 })

for (const [store, on] of [
  ["memory", onMemory],
  ["Redis", onRedis]
] as const) {
  describe(`callbacks that wait, on ${store}`, () => {
    it.live(
      "go without outputs where there is little room for them, and are dead letters where there is none",
      () =>
        Effect.gen(function* () {
          const { received, some, url } = yield* aReceiver(refuses)
          const others = yield* aReceiver()
          const { result, submit } = yield* Dispatcher
          const store = yield* Store

          for (let task = 0; task < 12; task++) {
            yield* result((yield* submit({ name: "echo", input: large, callback: url })).id)
          }

          yield* some(8)
          yield* Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), store.depth(webhooksPartition)), {
            until: ({ dead }) => dead === 4
          })
          expect(received).toHaveLength(8)
          expect(received.filter(({ message }) => message.data.output === large)).toHaveLength(5)
          expect(yield* placesTaken((places) => places >= 128)).toBe(128)
          // Another receiver of the tenant is told as ever.
          yield* submit({ name: "echo", input: large, callback: others.url })
          expect((yield* others.some(1))[0]!.message.data.output).toBe(large)
        }).pipe(on(littleRoom))
    )

    it.live(
      "make room for others however they end, and a dead letter is told when it is put back to work",
      () =>
        Effect.gen(function* () {
          const answers = { status: 500 }
          const { received, some, url } = yield* aReceiver(() => new Response(null, answers))
          const { result, submit } = yield* Dispatcher
          const { purge, revive, scan } = yield* Operations
          const store = yield* Store
          const tell = Effect.flatMap(submit({ name: "echo", input: large, callback: url }), ({ id }) =>
            result(id)
          )
          for (let task = 0; task < 9; task++) yield* tell
          yield* some(8)
          const dead = yield* Effect.repeat(
            Effect.andThen(Effect.sleep("10 millis"), scan(webhooksPartition, "dead", undefined, 10)),
            { until: ({ ids }) => ids.length === 1 }
          )

          yield* Effect.repeat(
            Effect.andThen(Effect.sleep("10 millis"), purge(webhooksPartition, 100, "no more")),
            {
              until: () => received.length >= 8
            }
          )
          yield* placesTaken((places) => places === 0)
          answers.status = 200
          // What has succeeded keeps no input of this size, and gives its room back all the same.
          for (let task = 0; task < 8; task++) {
            yield* tell
            expect((yield* some(9 + task))[8 + task]!.message.data.output).toBe(large)
            yield* placesTaken((places) => places === 0)
          }

          const { revivalOf } = yield* Effect.promise(() => import("../../../actors/operate/dead-letters.ts"))
          const ulid = ulidOfId(dead.ids[0]!)
          const [found] = yield* store.read(webhooksPartition, [ulid])
          expect(found!.record).toContain(`"type":"Deadline"`)
          yield* revive(webhooksPartition, [revivalOf(ulid, found!.record)])
          expect((yield* some(17))[16]!.message.data).toMatchObject({ outputOmitted: true })
        }).pipe(on(littleRoom))
    )

    it.live("take up their room once, however often they are relayed", () =>
      Effect.gen(function* () {
        const { some, url } = yield* aReceiver(refuses)
        const { result, submit } = yield* Dispatcher
        const store = yield* Store
        const { id } = yield* submit({ name: "echo", input: large, callback: url })
        yield* result(id)
        yield* some(1)
        yield* placesTaken((places) => places === 25)

        const owed = yield* owedFor(id)
        expect(yield* placesTaken((places) => places > 25)).toBe(50)
        if (owed.kind !== "delivery") throw new Error(owed.kind)
        yield* store.submit(webhooksPartition, [owed.task], { owed: true })
        yield* owed.stored

        expect(yield* placesTaken((places) => places < 50)).toBe(25)
      }).pipe(on(littleRoom))
    )
  })
}

describe("a delivery", () => {
  it.live("stops for good when the receiver is gone", () =>
    Effect.gen(function* () {
      const { received, some, url } = yield* aReceiver(() => new Response(null, { status: 410 }))
      const { submit } = yield* Dispatcher
      yield* submit({ name: "echo", input: 1, callback: url })
      const [one] = yield* some(1)
      expect(yield* deliveryOf(messageId(one!), ["failed", "retrying"])).toMatchObject({
        state: "failed",
        error: { type: "CallbackGone" }
      })
      expect(received).toHaveLength(1)
    }).pipe(onMemory())
  )

  it.live("follows no redirect, and says neither path nor token of where it went", () =>
    Effect.gen(function* () {
      const elsewhere = yield* aReceiver()
      const { some, url } = yield* aReceiver(() => Response.redirect(elsewhere.url, 307))
      const { submit } = yield* Dispatcher
      yield* submit({ name: "echo", input: 1, callback: url })
      const [one] = yield* some(1)
      const { error } = yield* deliveryOf(messageId(one!), ["retrying", "failed"])
      expect(error).toMatchObject({
        type: "CallbackFailed",
        message: expect.stringMatching(/^127\.0\.0\.1:\d+: it answered 307$/)
      })
      expect(elsewhere.received).toEqual([])
    }).pipe(onMemory())
  )

  it.live("says in a word why its receiver could not be reached, and nothing of the path", () =>
    Effect.gen(function* () {
      const pem = (name: string) =>
        Effect.promise(() => Bun.file(new URL(`../../support/tls/${name}.pem`, import.meta.url)).text())
      // Its certificate is signed by nobody who is known here.
      const tls = { key: yield* pem("key"), cert: yield* pem("certificate") }
      const { port } = yield* localServer(() => new Response(), { tls })
      const hosts = [`http://127.0.0.1:${aFreePort()}`, `https://127.0.0.1:${port}`]
      const { submit, task } = yield* Dispatcher
      const { scan } = yield* Operations

      for (const host of hosts) yield* submit({ name: "echo", callback: `${host}/hook?token=t` })

      const errors = Effect.gen(function* () {
        const { ids } = yield* scan(webhooksPartition, "all", undefined, 10)
        return (yield* Effect.forEach(ids, task)).flatMap(({ error }) => (error === undefined ? [] : [error]))
      })
      const both = yield* Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), errors), {
        until: ({ length }) => length === 2
      })
      expect(both.map(({ message }) => message.replace(/:\d+/, "")).toSorted()).toEqual([
        "127.0.0.1: it cannot be reached, or broke off (ECONNREFUSED)",
        "127.0.0.1: it cannot be reached, or broke off (UNABLE_TO_VERIFY_LEAF_SIGNATURE)"
      ])
    }).pipe(onMemory())
  )

  it.live("goes to no private address that is not allowed, and is a dead letter at once", () =>
    Effect.gen(function* () {
      const { received, url } = yield* aReceiver()
      const { submit } = yield* Dispatcher
      const { result } = yield* Dispatcher
      const store = yield* Store
      const { id } = yield* submit({ name: "echo", input: 1, callback: url })
      yield* result(id)
      yield* Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), store.depth(webhooksPartition)), {
        until: ({ dead }) => dead === 1
      })
      expect(received).toEqual([])
    }).pipe(onMemory({ webhookNetworks: [] }))
  )

  it.live("leaves out an output that is too large, and says so", () =>
    Effect.gen(function* () {
      const { some, url } = yield* aReceiver()
      const { submit } = yield* Dispatcher
      yield* submit({ name: "echo", input: "x".repeat(outputToldMax), callback: url })
      const [one] = yield* some(1)
      expect(one!.message.data).toMatchObject({ outputOmitted: true })
      expect(one!.body.length).toBeLessThan(2_000)
    }).pipe(onMemory())
  )

  const [old, young, others] = [aSecret(), aSecret(), aSecret()]
  it.live("is signed with every secret of its tenant, and with nobody else's", () =>
    Effect.gen(function* () {
      const { some, url } = yield* aReceiver()
      const { submit } = yield* Dispatcher
      yield* submit({ name: "echo", input: 1, callback: url })
      const [{ body, headers }] = (yield* some(1)) as [Received]
      for (const secret of [old, young]) expect(new Webhook(secret).verify(body, headers)).toBeDefined()
      expect(() => new Webhook(others).verify(body, headers)).toThrow("No matching signature found")
    }).pipe(onMemory({ webhookSecrets: secretsOf(young, old, `acme=${others}`) }))
  )

  test("is tried again over three days, later and later", () => {
    const hours = Array.from({ length: 9 }, (_, at) =>
      Duration.toHours(Duration.fromInputUnsafe(delayAfter(at + 1)))
    )
    expect(hours.toSorted((one, other) => one - other)).toEqual(hours)
    expect(hours.reduce((sum, one) => sum + one, 0)).toBeWithin(72, 80)
    expect(deliver.retry.attempts).toBe(10)
  })

  test("is put off by its receiver for as long as its own delays are, and from then on at the cost of an attempt", () => {
    const day = Duration.toMillis(Duration.days(1))
    const after = (seconds: string, status = 503) =>
      new Response(null, { status, headers: { "retry-after": seconds } })

    expect(putOff(after("60"), 0, 0)).toEqual({ ms: 60_000, counted: false })
    expect(putOff(after("0", 429), 3 * day - 1, 0)).toEqual({ ms: 1_000, counted: false })
    expect(putOff(after("0", 429), 3 * day, 0)).toEqual({ ms: 1_000, counted: true })
    expect(putOff(after("9999999"), 0, 0)).toEqual({ ms: day, counted: false })
    expect(putOff(after("soon"), 0, 0)).toBeUndefined()
    expect(putOff(after("60", 500), 0, 0)).toBeUndefined()
  })

  it.live("uses up no attempt when its receiver puts it off", () =>
    Effect.gen(function* () {
      const busy = () => new Response(null, { status: 429, headers: { "retry-after": "1" } })
      const { some, url } = yield* aReceiver(busy)
      const { submit } = yield* Dispatcher
      yield* submit({ name: "echo", input: 1, callback: url })
      const [one] = yield* some(1)
      const { attempts } = yield* deliveryOf(messageId(one!), ["retrying"])
      expect(attempts).toMatchObject([{ attempt: 1, counted: false }])
    }).pipe(onMemory())
  )

  it.live("cannot be submitted by anybody: what it tells is signed", () =>
    Effect.gen(function* () {
      const { submit } = yield* Dispatcher
      const input = { id: "msg_1", url: "https://example.com", headers: {}, tenant: "default", body: "{}" }
      expect(yield* Effect.flip(submit({ name: deliverName, input }))).toMatchObject({
        _tag: "UnknownHandler"
      })
    }).pipe(onMemory())
  )
})

describe("a callback that is no good", () => {
  const refusalOf = (callback: unknown) =>
    Effect.gen(function* () {
      const { submit } = yield* Dispatcher
      const error = yield* Effect.flip(submit({ name: "echo", callback }))
      expect(error).toBeInstanceOf(SubmitRefused)
      return error.message
    })

  it.live("is refused with what would be right", () =>
    Effect.gen(function* () {
      for (const url of ["ftp://a.b", "nonsense", "https://user:pass@a.b", 7, ""]) {
        expect(yield* refusalOf(url)).toContain("/callback")
      }
      expect(yield* refusalOf({ url: "https://a.b", events: ["task.gone"] })).toContain("/callback/events/0")
      expect(yield* refusalOf({ url: "https://a.b", events: [] })).toContain("/callback/events")
      expect(yield* refusalOf({ url: "https://a.b", headers: { "webhook-id": "x" } })).toContain(
        "/callback/headers"
      )
      expect(yield* refusalOf({ url: "https://a.b", headers: { a: "b\r\nc: d" } })).toContain(
        "/callback/headers"
      )
      expect(yield* refusalOf({ url: "https://a.b", headers: { a: "1", A: "2" } })).toContain(
        "/callback/headers: says a header twice"
      )
      expect(yield* refusalOf({ url: "https://a.b", heders: {} })).toContain("/callback/heders")
    }).pipe(onMemory())
  )

  it.live("is refused where nothing signs it", () =>
    Effect.map(refusalOf("https://a.b"), (message) =>
      expect(message).toBe("/callback: there is no secret to sign it with: set TROUPE_WEBHOOK_SECRETS")
    ).pipe(onMemory({ webhookSecrets: undefined }))
  )
})

describe("the receiver of the documents", () => {
  it.live("takes each message once, and nothing that was not signed", () =>
    Effect.gen(function* () {
      const taken: Array<string> = []
      const broken = { left: 1 }
      const take = receiver(secret, async ({ type }) => {
        if (broken.left-- > 0) throw new Error("the database is away")
        await Bun.sleep(1)
        taken.push(type)
      })
      const { port, seen } = yield* localServer(take)
      const url = `http://127.0.0.1:${port}/`
      const { submit } = yield* Dispatcher
      expect((yield* Effect.promise(() => fetch(url, { method: "POST", body: "{}" }))).status).toBe(401)
      yield* submit({ name: "echo", input: 1, callback: url })
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => seen.length === 2 })
      expect(taken).toEqual([])
      const message = `{"type":"task.completed","data":{}}`
      const at = new Date()
      const headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("msg_1", at, message)
      }
      const tell = () => Effect.promise(() => fetch(url, { method: "POST", body: message, headers }))
      const both = yield* Effect.all([tell(), tell()], { concurrency: "unbounded" })
      expect([...both, yield* tell()].map(({ status }) => status)).toEqual([204, 204, 204])
      expect(taken).toEqual(["task.completed"])
    }).pipe(onMemory())
  )
})

describe("secrets of callbacks", () => {
  test("are told without any part of them when they are no good", () => {
    const short = `whsec_${randomBytes(8).toString("base64")}`
    for (const setting of ["", "nonsense", short, `${secret},Acme=${secret}`, secret.slice(6)]) {
      const told = readWebhookSecrets(setting)
      expect(Result.isFailure(told) && told.failure).toMatch(/^secret [12] is neither whsec_/)
      expect(JSON.stringify(told)).not.toContain(secret.slice(10, 20))
    }
  })
})
