/** Agents over HTTP. Their worker is real. */
import { describe, expect } from "bun:test"
import { Effect, Layer, type Scope } from "effect"
import * as Gate from "../../../actors/access/gate.ts"
import * as Keys from "../../../actors/access/keys.ts"
import * as Follow from "../../../actors/follow/follow.ts"
import * as Lifecycle from "../../../actors/follow/lifecycle.ts"
import * as AgentOperator from "../../../actors/operate/agents.ts"
import * as Figures from "../../../actors/operate/figures.ts"
import * as Operator from "../../../actors/operate/operator.ts"
import * as ScheduleOperator from "../../../actors/schedule/operator.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import { Files } from "../../../runtime/files.ts"
import type { TaskDefinition } from "../../../runtime/handler.ts"
import { anApi, framesOf, jsonBody } from "../../support/api.ts"
import { aCart, count } from "../../support/carts.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { memorySystem } from "../../support/system.ts"

const apiOf = (agents: ReadonlyArray<TaskDefinition>) =>
  Layer.unwrap(
    Effect.map(temporaryFolder, (files) =>
      Layer.mergeAll(
        AgentOperator.layer,
        Figures.layer,
        Follow.layer,
        Gate.layer,
        Lifecycle.layer,
        Keys.layer,
        Operator.layer,
        ScheduleOperator.layer,
        Files.layer
      ).pipe(Layer.provideMerge(memorySystem(agents, { files })))
    )
  )

/** A promise of the API of carts; `open` lets those go on that hold. */
const promise = <A, E>(
  sentence: string,
  body: (open: () => void) => Effect.Effect<A, E, ApiServices | Scope.Scope>
) => {
  const { cart, open } = aCart()
  return it.live(sentence, () => Effect.suspend(() => body(open)).pipe(Effect.provide(apiOf([cart, count]))))
}

const user = "/v1/agents/shop.cart/user-7"
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const id = expect.stringMatching(/^default\.0\.[0-9A-Z]{26}$/)
const tea = { message: "add", input: { item: "tea" } }

describe("an agent over HTTP", () => {
  promise("is told something, once, and its reply is the result of the task", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()

      const told = yield* post(`${user}/tell`, { ...tea, dedupe: "order-1" })
      const again = yield* post(`${user}/tell`, { ...tea, dedupe: "order-1" })

      expect(told.status).toBe(202)
      expect(told.headers.get("location")).toBe(`/v1/tasks/${told.body.id}`)
      expect(again).toMatchObject({ status: 200, body: { id: told.body.id, existing: true } })
      expect((yield* ask(`/v1/tasks/${told.body.id}/result?waitMs=10000`)).body).toEqual({ size: 1 })
    })
  )

  promise(
    "takes a message once for the header that says so, and refuses one of which that is not certain",
    () =>
      Effect.gen(function* () {
        const { ask, request } = yield* anApi()
        const say = Effect.fnUntraced(function* (verb: string, key: string, body: object) {
          const headers = { "content-type": "application/json", "idempotency-key": key }
          const response = yield* request(`${user}/${verb}`, { ...jsonBody(body), headers })
          const answer = yield* Effect.promise(() => response.json())
          return { status: response.status, body: answer as Record<string, unknown> }
        })

        const told = yield* say("tell", "order-1", tea)
        const again = yield* say("tell", "order-1", { ...tea, dedupe: "order-1" })
        const asked = yield* say("ask", "order-1", { ...tea, timeoutMs: 10_000 })

        expect([told.status, again.status]).toEqual([202, 200])
        expect(again.body).toMatchObject({ id: told.body["id"], existing: true })
        expect(asked).toMatchObject({ status: 200, body: { reply: { size: 1 } } })
        expect((yield* ask(user)).body).toMatchObject({ state: { items: ["tea"] } })
        for (const verb of ["tell", "ask"]) {
          expect(yield* say(verb, "order-1", { ...tea, dedupe: "order-2" })).toMatchObject({
            status: 422,
            body: { type: "body-refused", errors: [{ path: "/dedupe" }] }
          })
          expect(yield* say(verb, "a, b", tea)).toMatchObject({
            status: 400,
            body: { type: "invalid-parameter", errors: [{ path: "Idempotency-Key" }] }
          })
          expect(yield* say(verb, "k".repeat(121), tea)).toMatchObject({
            status: 422,
            body: { errors: [{ path: "/dedupe" }] }
          })
          expect(yield* say(verb, "order-1", { ...tea, input: { item: "milk" } })).toMatchObject({
            status: 409,
            body: { type: "idempotency-conflict" }
          })
        }
      })
  )

  promise("replies to what it is asked", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      yield* post(`${user}/ask`, tea)

      const reply = yield* post(`${user}/ask`, { message: "items", timeoutMs: 10_000 })

      expect(reply).toMatchObject({ status: 200, body: { reply: ["tea"] } })
    })
  )

  promise("says where its reply will be when that takes longer than it is waited for", (open) =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()

      const late = yield* post(`${user}/ask`, { message: "hold", timeoutMs: 0 })
      open()

      expect(late.status).toBe(202)
      expect(late.headers.get("location")).toBe(`/v1/tasks/${late.body.id}`)
      expect((yield* ask(`/v1/tasks/${late.body.id}/result?waitMs=10000`)).status).toBe(200)
    })
  )

  promise("streams what it puts out while it answers, where that is accepted", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const question = jsonBody({ message: "speak", input: { words: ["good", "morning"] } })
      const headers = { "content-type": "application/json", accept: "text/event-stream" }

      const response = yield* request(`${user}/ask`, { ...question, headers })
      const frames = yield* framesOf(response).rest

      expect(response.headers.get("content-type")).toBe("text/event-stream")
      expect(response.headers.get("location")).toStartWith("/v1/tasks/default.0.")
      expect(
        frames.filter(({ event }) => event === "chunk").map(({ data }) => (data as { chunk?: unknown }).chunk)
      ).toEqual(["good", "morning"])
      expect(frames.at(-1)).toMatchObject({ event: "end", data: { state: "succeeded" } })
    })
  )

  promise("is shown with its state, and listed without", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      yield* post(`${user}/ask`, tea)
      yield* post("/v1/agents/shop.cart/user-8/ask", tea)

      const shown = { name: "shop.cart", key: "user-7", status: "idle", mailbox: 0, running: [], failures: 0 }
      expect((yield* ask(user)).body).toMatchObject({
        ...shown,
        state: { items: ["tea"] },
        version: 3,
        updatedAt: iso,
        timers: []
      })
      const { body } = yield* ask("/v1/agents?name=shop.cart&status=idle&limit=1")
      expect(body.agents).toMatchObject([shown])
      expect(body.agents[0]).not.toHaveProperty("state")
      expect((yield* ask(`/v1/agents?limit=1&cursor=${body.next}`)).body).toMatchObject({
        agents: [{ key: "user-8" }]
      })
    })
  )

  promise("has the key that was encoded in the address", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const path = `/v1/agents/shop.cart/${encodeURIComponent("a/b c%ü?")}`
      yield* post(`${path}/ask`, tea)

      expect((yield* ask(path)).body).toMatchObject({ key: "a/b c%ü?", state: { items: ["tea"] } })
      expect((yield* ask("/v1/agents")).body.agents).toMatchObject([{ key: "a/b c%ü?" }])
    })
  )

  promise("in quarantine says so, until it is resumed or reset", (open) =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      yield* post(`${user}/ask`, tea)

      const failed = yield* post(`${user}/ask`, { message: "break" })
      const refused = yield* post(`${user}/tell`, tea)

      expect(failed).toMatchObject({ status: 424, body: { type: "task-failed", error: { type: "Broken" } } })
      expect(refused).toMatchObject({ status: 409, body: { type: "agent-quarantined" } })
      expect((yield* ask("/v1/agents?status=quarantined")).body.agents).toMatchObject([
        { key: "user-7", failures: 1, quarantinedAt: iso, deadLetter: id }
      ])
      open()
      expect(yield* ask(`${user}/resume`, { method: "POST" })).toMatchObject({
        status: 200,
        body: { status: "idle", state: { items: ["tea"] } }
      })
      expect(yield* ask(`${user}/reset`, { method: "POST" })).toMatchObject({
        status: 200,
        body: { status: "idle", state: null }
      })
    })
  )

  promise("is stopped for a short reason, and it can be asked first how much that would cancel", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const { body } = yield* post(`${user}/tell`, { message: "hold" })
      yield* post(`${user}/tell`, tea)

      expect(yield* ask(`${user}/stop?dryRun=1`, { method: "POST" })).toMatchObject({
        status: 200,
        body: { count: 2 }
      })
      expect(yield* post(`${user}/stop`, { reason: "x".repeat(1_001) })).toMatchObject({
        status: 422,
        body: { type: "body-refused", errors: [{ path: "/reason" }] }
      })
      expect(yield* post(`${user}/stop`, { reason: "closed" })).toMatchObject({ body: { count: 2 } })
      expect((yield* ask(`/v1/tasks/${body.id}/result?waitMs=10000`)).body).toMatchObject({
        type: "task-cancelled",
        error: { message: "closed" }
      })
      expect((yield* ask(user)).status).toBe(404)
    })
  )

  promise("that is not there, or a message that does not fit, is a problem that says why", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()

      expect(yield* ask(user)).toMatchObject({ status: 404, body: { type: "agent-not-found" } })
      expect(yield* post("/v1/agents/shop.card/user-7/tell", tea)).toMatchObject({
        status: 404,
        body: { type: "unknown-agent", detail: "no agent is called shop.card; did you mean shop.cart?" }
      })
      expect(yield* post("/v1/agents/shop.count/user-7/tell", tea)).toMatchObject({
        status: 404,
        body: { type: "unknown-agent" }
      })
      expect(yield* post(`${user}/ask`, { message: "add", input: {} })).toMatchObject({
        status: 422,
        body: { type: "task-refused", errors: [{ path: "/input/item" }] }
      })
      expect(yield* post(`${user}/ask`, { ...tea, timeoutMs: 60_001 })).toMatchObject({
        status: 422,
        body: { type: "body-refused", errors: [{ path: "/timeoutMs" }] }
      })
      expect(yield* post(`${user}/tell`, { ...tea, timeoutMs: 1 })).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/timeoutMs" }] }
      })
      expect(yield* ask("/v1/agents/shop.cart/~me")).toMatchObject({
        status: 400,
        body: { type: "invalid-parameter", errors: [{ path: "key" }] }
      })
      expect((yield* ask("/v1/agents?status=asleep")).status).toBe(400)
      expect((yield* ask(user, { method: "DELETE" })).status).toBe(405)
    })
  )
})
