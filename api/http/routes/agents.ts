/** Agents: telling one something, asking it, looking at it, and what may be done to one. */
import { Effect, Option, Schema } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { NewMessageJson } from "../../../actors/dispatch/message.ts"
import { Key, NewTaskJson } from "../../../actors/dispatch/new-task.ts"
import { AgentQuery } from "../../../actors/operate/agent-query.ts"
import { AgentOperator } from "../../../actors/operate/agents.ts"
import { endedWithin } from "../awaiting.ts"
import { TaskFailed } from "../../client/errors.ts"
import { agentJson, agentSummaryJson } from "../agent-view.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import type { Drain } from "../drain.ts"
import type { Serve } from "../mount.ts"
import { inSilence } from "../pace.ts"
import { DryRun, Reason, waitMsMax, withKey } from "../parameters.ts"
import { ofBody, ofSubmit, row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import { AgentPageShape, AgentShape, Reply } from "../shapes/agent.ts"
import { CountShape, Standing, SubmittedShape } from "../shapes/task.ts"
import type { EventStreams } from "../sse.ts"
import { baseOf, submittedJson, taskPath } from "../view.ts"
import { following, Format } from "./events.ts"

/** How long a reply is waited for when nobody says, in milliseconds. */
const askMsDefault = 30_000

const Wait = Schema.Struct({
  timeoutMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: waitMsMax })))
})

/** What is only passed on is checked with the task of the message. */
const { delayMs, priority, runAt, tags } = NewTaskJson.fields
const Message = Schema.Struct({
  ...NewMessageJson.fields,
  message: Schema.String,
  delayMs,
  runAt,
  priority,
  tags
}).annotate({ identifier: "NewMessage" })

const group = "Agents"
const reach = "tenant"
const parts = {
  type: { schema: Schema.String, example: "shop.cart" },
  key: { schema: Key, example: "user-7" }
}
/** Its `dedupe`. */
const headers = { "idempotency-key": { schema: NewMessageJson.fields.dedupe, example: "order-4711" } }
const ofAgent = ["UnknownAgent", "AgentNotFound", "StoreError"] as const

const resumingRow = (verb: "resume" | "reset") =>
  row({
    name: `${verb}Agent`,
    method: "POST",
    path: `/v1/agents/:type/:key/${verb}`,
    group,
    summary: verb === "resume" ? "Ends a quarantine" : "Ends a quarantine, and forgets state and timers",
    needs: "operate",
    reach,
    parts,
    answers: { 200: { description: "The agent", schema: AgentShape } },
    problems: ofAgent
  })

export const rows = {
  list: row({
    name: "listAgents",
    method: "GET",
    path: "/v1/agents",
    group,
    summary: "Shows agents that have a state, a timer or a failure",
    needs: "read",
    reach,
    query: AgentQuery,
    answers: { 200: { description: "A page, which may be short and not the last", schema: AgentPageShape } },
    problems: ["UnknownAgent", "StoreError"]
  }),
  show: row({
    name: "getAgent",
    method: "GET",
    path: "/v1/agents/:type/:key",
    group,
    summary: "Shows one agent with its state",
    needs: "read",
    reach,
    parts,
    answers: { 200: { description: "The agent", schema: AgentShape } },
    problems: ofAgent
  }),
  tell: row({
    name: "tellAgent",
    method: "POST",
    path: "/v1/agents/:type/:key/tell",
    group,
    summary: "Stores a message to an agent",
    needs: "submit",
    reach,
    parts,
    headers,
    body: { schema: Message, example: { message: "add", input: { item: "tea" } } },
    answers: {
      200: {
        description: "The message that was there already",
        schema: SubmittedShape,
        headers: ["location"]
      },
      202: { description: "The message is stored", schema: SubmittedShape, headers: ["location"] }
    },
    problems: [...ofBody, ...ofSubmit, "UnknownAgent"]
  }),
  ask: row({
    name: "askAgent",
    method: "POST",
    path: "/v1/agents/:type/:key/ask",
    group,
    summary: "Stores a message to an agent, and waits for the reply or streams what it puts out",
    needs: "submit",
    reach,
    parts,
    query: Schema.Struct({ format: Schema.optionalKey(Format) }),
    headers,
    body: {
      schema: Schema.Struct({ ...Message.fields, ...Wait.fields }),
      example: { message: "add", input: { item: "tea" }, timeoutMs: 10_000 }
    },
    answers: {
      200: { description: "The reply", schema: Reply },
      202: {
        description: "It is late: its task's result is the reply",
        schema: Standing,
        headers: ["location", "retry-after"]
      }
    },
    problems: [...ofBody, ...ofSubmit, "UnknownAgent", "TaskNotFound", "TaskFailed", "PayloadUnreadable"]
  }),
  resume: resumingRow("resume"),
  reset: resumingRow("reset"),
  stop: row({
    name: "stopAgent",
    method: "POST",
    path: "/v1/agents/:type/:key/stop",
    group,
    summary: "Interrupts what it handles, cancels what waits, forgets state and timers",
    needs: "operate",
    reach,
    parts,
    query: DryRun,
    body: { schema: Reason, optional: true, example: { reason: "the user has left" } },
    answers: { 200: { description: "How many messages were cancelled", schema: CountShape } },
    problems: [...ofBody, ...ofAgent]
  })
}

const readWait = fitting(Wait)
const readStop = fitting(Reason)

/** Who is meant: both parts as they were before they were encoded. */
const agent = (c: ApiContext) => [c.req.param("type") ?? "", c.req.param("key") ?? ""] as const

/** What is asked, apart from how long the answer may take. */
const inquiry = Effect.fnUntraced(function* (request: Request) {
  const body = yield* readJson(request)
  if (typeof body !== "object" || body === null || !("timeoutMs" in body)) {
    return { message: body, waitMs: askMsDefault }
  }
  const { timeoutMs: given, ...message } = body
  const { timeoutMs = askMsDefault } = yield* readWait({ timeoutMs: given })
  return { message, waitMs: timeoutMs }
})

const wantsStream = (c: ApiContext) => /\btext\/event-stream\b/i.test(c.req.header("accept") ?? "")

export const agents = (serve: Serve, drain: Drain, streams: EventStreams) => {
  const resuming = (verb: "resume" | "reset") =>
    Effect.fnUntraced(function* (c: ApiContext) {
      return c.json(agentJson(yield* AgentOperator.use((operator) => operator[verb](...agent(c)))))
    })

  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const page = yield* AgentOperator.use((operator) => operator.list(query))
      return c.json({ ...page, agents: page.agents.map(agentSummaryJson) })
    })
  )
  serve(
    rows.show,
    Effect.fnUntraced(function* (c) {
      return c.json(agentJson(yield* AgentOperator.use((operator) => operator.read(...agent(c)))))
    })
  )
  serve(
    rows.tell,
    Effect.fnUntraced(function* (c) {
      const message = yield* withKey(c, yield* readJson(c.req.raw), "dedupe")
      const told = yield* AgentOperator.use((operator) => operator.tell(...agent(c), message))
      const base = baseOf(c)
      const location = taskPath(told.id, base)
      return c.json(submittedJson(told, base), told.existing ? 200 : 202, { location })
    })
  )
  serve(
    rows.ask,
    Effect.fnUntraced(function* (c, { format }) {
      const { message: said, waitMs } = yield* inquiry(c.req.raw)
      const message = yield* withKey(c, said, "dedupe")
      const { id } = yield* AgentOperator.use((operator) => operator.tell(...agent(c), message))
      const location = taskPath(id, baseOf(c))
      if (wantsStream(c) || format === "ai-sdk")
        return yield* following(c, streams, id, { format, more: { location } })
      const ended = yield* inSilence(endedWithin(id, waitMs, drain))
      if (Option.isNone(ended)) {
        const { state } = yield* Dispatcher.use((dispatcher) => dispatcher.task(id))
        return c.json({ id, state }, 202, { location, "retry-after": "1" })
      }
      if (ended.value.state === "succeeded") return c.json({ reply: ended.value.output ?? null })
      const { error, state } = ended.value
      return yield* new TaskFailed({ id, state, error })
    })
  )
  serve(rows.resume, resuming("resume"))
  serve(rows.reset, resuming("reset"))
  serve(
    rows.stop,
    Effect.fnUntraced(function* (c, { dryRun = false }) {
      const options = { dryRun, ...(yield* readStop(yield* readJsonIfAny(c.req.raw))) }
      const stopping = AgentOperator.use((operator) => operator.stop(...agent(c), options))
      return c.json(yield* inSilence(stopping))
    })
  )
}
