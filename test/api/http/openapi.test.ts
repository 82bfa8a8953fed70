/** The document and the server, held against each other: every operation is asked as it says, and as it says not. */
import { Validator } from "@seriousme/openapi-schema-validator"
import { describe, expect, test } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Tree from "../../../actors/tree.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { createApp } from "../../../api/http/app.ts"
import { documentOf, templateOf } from "../../../api/http/openapi.ts"
import { routeTable } from "../../../api/http/route-table.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import * as Server from "../../../api/http/server.ts"
import { Files } from "../../../runtime/files.ts"
import { defineTask, Fatal } from "../../../runtime/handler.ts"
import { Members } from "../../../runtime/members.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { memoryApi } from "../../support/api.ts"
import { aCart } from "../../support/carts.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { type Described, type Document, misfitsOf, operationsOf, validatorOf } from "../../support/openapi.ts"
import { memorySettings } from "../../support/redis.ts"

const handlers = [
  aCart().cart,
  defineTask({ name: "text.count", run: (input) => input }),
  defineTask({
    name: "text.broken",
    run: () => {
      throw new Fatal("it is broken")
    }
  })
]

/** A whole system on a port, with a worker and a node. */
const system = Layer.unwrap(
  Effect.map(temporaryFolder, (files) =>
    Layer.orDie(
      Layer.merge(Server.layerWith({}), Worker.layer()).pipe(
        Layer.provideMerge(Tree.client),
        Layer.provideMerge(Layer.mergeAll(Memory.layer, Handlers.layer({ given: handlers }), Files.layer)),
        Layer.provideMerge(
          Layer.provideMerge(Shutdown.layer, memorySettings({ files, port: 0, grace: Duration.zero }))
        )
      )
    )
  )
)

type Said = Readonly<Record<string, string>>

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly type: string
  readonly body: unknown
}

/** A client of the document, with a key that may do everything. */
const aClient = Effect.gen(function* () {
  const { url } = yield* Server.HttpServer
  yield* Members.use((members) =>
    members.beat("n", { host: "h", pid: 1, startedAt: 1, workers: 1, min: 1, max: 1, leaseMs: 60_000 }, true)
  )
  const signal = yield* Effect.abortSignal
  let key = ""
  const send = async (method: string, path: string, body?: unknown, headers: Said = {}): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, {
      method,
      signal,
      headers: {
        ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
    })
    const type = (response.headers.get("content-type") ?? "").replace(/;.*/, "")
    // A stream may have no end.
    if (type === "text/event-stream") await response.body?.cancel()
    const text = type === "text/event-stream" ? "" : await response.text()
    const isJson = type.endsWith("json")
    return {
      status: response.status,
      headers: response.headers,
      type,
      body: isJson ? JSON.parse(text) : text
    }
  }
  const made = yield* Effect.promise(() => send("POST", "/v1/keys", { role: "admin" }))
  key = (made.body as { readonly key: string }).key
  const document = (yield* Effect.promise(() => send("GET", "/openapi.json"))).body as Document
  return { send, document }
})

type Client = Effect.Success<typeof aClient>

const idOf = ({ body }: Answer) => (body as { readonly id: string }).id

const aTask = async ({ send }: Client, task: object) => idOf(await send("POST", "/v1/tasks", task))

const aFailure = async (client: Client) => {
  const id = await aTask(client, { name: "text.broken" })
  await client.send("GET", `/v1/tasks/${id}/result?waitMs=5000`)
  return id
}

const aResult = async (client: Client) => {
  const id = await aTask(client, { name: "text.count", input: { text: "one" } })
  await client.send("GET", `/v1/tasks/${id}/result?waitMs=5000`)
  return id
}

const anAgent = async ({ send }: Client) => {
  await send("POST", "/v1/agents/shop.cart/user-7/ask", { message: "add", input: { item: "tea" } })
  return {}
}

const later = { name: "text.count", delayMs: 3_600_000 }

/** What must be there before an operation can be asked as the document says. What is not here needs nothing. */
const prepared: Readonly<Record<string, (client: Client) => Promise<Said>>> = {
  getTask: async (client) => ({ id: await aResult(client) }),
  getInput: async (client) => ({ id: await aResult(client) }),
  getResult: async (client) => ({ id: await aResult(client) }),
  followTask: async (client) => ({ id: await aResult(client) }),
  cancelTask: async (client) => ({ id: await aTask(client, later) }),
  rescheduleTask: async (client) => ({ id: await aTask(client, later) }),
  retryTask: async (client) => ({ id: await aFailure(client) }),
  getFile: async ({ send }) => ({
    id: idOf(await send("POST", "/v1/files", "text", { "content-type": "text/plain" }))
  }),
  deleteFile: async ({ send }) => ({
    id: idOf(await send("POST", "/v1/files", "text", { "content-type": "text/plain" }))
  }),
  getAgent: anAgent,
  stopAgent: anAgent,
  drainNode: async () => ({ node: "n" }),
  rotateKey: async ({ send }) => ({ key: idOf(await send("POST", "/v1/keys", { role: "read" })) }),
  revokeKey: async ({ send }) => ({ key: idOf(await send("POST", "/v1/keys", { role: "read" })) }),
  drainWorker: async ({ send }) => {
    const { body } = await send("GET", "/v1/workers")
    return { worker: (body as { readonly workers: ReadonlyArray<{ readonly id: string }> }).workers[0]!.id }
  }
}

/** What is asked last, since it ends what others need. */
const last = ["deleteSchedule", "drainWorker", "drainNode"]

const inOrder = (operations: ReadonlyArray<Described>) => [
  ...operations.filter(({ operationId }) => operationId.startsWith("create")),
  ...operations.filter(({ operationId }) => !operationId.startsWith("create") && !last.includes(operationId)),
  ...last.flatMap((name) => operations.filter(({ operationId }) => operationId === name))
]

/** The address of an operation, its parts as they are given or as its examples have them. */
const addressOf = ({ parameters, path }: Described, said: Said) =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const example = parameters.find((one) => one.in === "path" && one.name === name)?.example
    return encodeURIComponent(said[name] ?? example ?? "")
  })

const exampleOf = ({ requestBody }: Described): readonly [body: unknown, type: string] => {
  const [[type, content] = ["", undefined]] = Object.entries(requestBody?.content ?? {})
  return [content?.example, type]
}

const ask = (client: Client, operation: Described, said: Said) => {
  const [body, type] = exampleOf(operation)
  return client.send(
    operation.method,
    addressOf(operation, said),
    body,
    body === undefined ? {} : { "content-type": type }
  )
}

/** What is wrong with an answer, by the document. */
const faultsOf = (
  validate: ReturnType<typeof validatorOf>,
  { operationId, responses }: Described,
  answer: Answer
): ReadonlyArray<string> => {
  const said = responses[String(answer.status)]
  const where = `${operationId} ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 200)}`
  if (said === undefined) return [`${where} is not described`]
  const types = Object.keys(said.content ?? {})
  const content = said.content?.[answer.type] ?? said.content?.["*/*"]
  if (types.length > 0 && content === undefined)
    return [`${where}: ${answer.type} is not one of ${types.join(", ")}`]
  const missing = Object.keys(said.headers ?? {}).filter((name) => !answer.headers.has(name))
  const value = answer.type === "text/event-stream" ? "" : answer.body
  return [
    ...missing.map((name) => `${where} has no ${name}`),
    ...(content === undefined ? [] : validate(content.schema, value).map((fault) => `${where}: ${fault}`))
  ]
}

/** A web socket has tests of its own. */
const isUpgrade = ({ responses }: Described) => "426" in responses

describe("the OpenAPI document", () => {
  test("is one, by the schema of OpenAPI 3.1", async () => {
    const document = JSON.parse(JSON.stringify(documentOf(routeTable))) as Record<string, unknown>

    expect(await new Validator().validate(document)).toEqual({ valid: true })
  }, 30_000)

  it.live("describes every route that is mounted, and no other", () =>
    Effect.gen(function* () {
      const app = createApp(yield* Effect.context<ApiServices>())
      const mounted = app.routes.filter(({ method }) => method !== "ALL")

      const all = (rows: ReadonlyArray<{ readonly method: string; readonly path: string }>) =>
        [...new Set(rows.map(({ method, path }) => `${method} ${path}`))].sort()
      expect(all(mounted)).toEqual(all(routeTable))
      const operations = operationsOf(documentOf(routeTable) as unknown as Document)
      expect(all(operations)).toEqual(all(routeTable.map((row) => ({ ...row, path: templateOf(row.path) }))))
      expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    }).pipe(Effect.provide(memoryApi))
  )

  it.live(
    "is what the server does: each operation answers its example as it is described",
    () =>
      Effect.gen(function* () {
        const client = yield* aClient
        const validate = validatorOf(client.document)
        const faults: Array<string> = []
        const operations = inOrder(operationsOf(client.document)).filter((one) => !isUpgrade(one))
        for (const operation of operations) {
          const answer = yield* Effect.promise(async () =>
            ask(client, operation, (await prepared[operation.operationId]?.(client)) ?? {})
          )
          if (answer.status >= 300) {
            faults.push(`${operation.operationId}: ${answer.status} ${JSON.stringify(answer.body)}`)
          }
          faults.push(...faultsOf(validate, operation, answer))
        }

        expect(faults).toEqual([])
        expect(operations.length).toBeGreaterThan(40)
      }).pipe(Effect.provide(system)),
    30_000
  )

  it.live(
    "is what the server refuses: a body, a parameter or a method that it has not is a problem that it has",
    () =>
      Effect.gen(function* () {
        const client = yield* aClient
        const validate = validatorOf(client.document)
        const faults: Array<string> = []
        const refuse = (operation: Described, what: string, answer: Answer) => {
          const name = `${operation.operationId} with ${what}`
          if (answer.status < 400 || answer.status >= 500) {
            faults.push(`${name}: ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 200)}`)
          }
          faults.push(...faultsOf(validate, operation, answer).map((fault) => `${name}: ${fault}`))
        }
        const { document, send } = client
        let asked = 0
        for (const operation of operationsOf(document).filter((one) => !isUpgrade(one))) {
          const { method, parameters } = operation
          const address = addressOf(operation, {})
          const query = parameters.filter((one) => one.in === "query")
          const [body] = exampleOf(operation)
          const strange = [
            ...(query.length > 0 ? ["nonsense=1"] : []),
            ...query.flatMap(({ name, schema }) =>
              schema["type"] === "integer" || schema["type"] === "boolean" ? [`${name}=~`, `${name}=-1`] : []
            )
          ]
          for (const text of strange) {
            const answer = yield* Effect.promise(() => send(method, `${address}?${text}`, body))
            refuse(operation, text, answer)
          }
          for (const misfit of misfitsOf(operation, validate, document.components.schemas)) {
            // In a batch each is refused by itself.
            if (
              operation.operationId === "submitTasks" &&
              typeof misfit === "object" &&
              "tasks" in (misfit as object)
            )
              continue
            const answer = yield* Effect.promise(() => send(method, address, JSON.stringify(misfit)))
            refuse(operation, JSON.stringify(misfit), answer)
            asked += 1
          }
          const other = yield* Effect.promise(() => send("PATCH", address, {}))
          expect(other.status).toBe(405)
          expect(other.body).toMatchObject({ type: "method-not-allowed" })
        }

        expect(faults).toEqual([])
        expect(asked).toBeGreaterThan(100)
      }).pipe(Effect.provide(system)),
    30_000
  )
})
