/** Agents: telling one something, asking it, looking at it, and what may be done to one. */
import { Duration, Effect, Option, Schema } from "effect"
import { Hono } from "hono"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { start } from "../../../actors/follow/follow.ts"
import { AgentOperator } from "../../../actors/operate/agents.ts"
import { TaskFailed } from "../../client/errors.ts"
import { agentJson, agentSummaryJson } from "../agent-view.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import type { Drain } from "../drain.ts"
import { dryRun, parameters, waitMsMax } from "../parameters.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import type { EventStreams } from "../sse.ts"
import { submittedJson, taskPath } from "../view.ts"
import { following } from "./events.ts"

/** How long a reply is waited for when nobody says, in milliseconds. */
const askMsDefault = 30_000

const readWait = fitting(
  Schema.Struct({
    timeoutMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: waitMsMax })))
  })
)

const readStop = fitting(Schema.Struct({ reason: Schema.optionalKey(Schema.String) }))

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

export const agents = (respond: Respond, drain: Drain, streams: EventStreams) => {
  const resuming = (verb: "resume" | "reset") => (c: ApiContext) =>
    respond(
      c,
      Effect.gen(function* () {
        return c.json(agentJson(yield* AgentOperator.use((operator) => operator[verb](...agent(c)))))
      })
    )

  return new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const query = parameters(c, ["limit"])
          const page = yield* AgentOperator.use((operator) => operator.list(query))
          return c.json({ ...page, agents: page.agents.map(agentSummaryJson) })
        })
      )
    )
    .get("/:type/:key", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          return c.json(agentJson(yield* AgentOperator.use((operator) => operator.read(...agent(c)))))
        })
      )
    )
    .post("/:type/:key/tell", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const message = yield* readJson(c.req.raw)
          const told = yield* AgentOperator.use((operator) => operator.tell(...agent(c), message))
          return c.json(submittedJson(told), told.existing ? 200 : 202, { location: taskPath(told.id) })
        })
      )
    )
    .post("/:type/:key/ask", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const { message, waitMs } = yield* inquiry(c.req.raw)
          const { id } = yield* AgentOperator.use((operator) => operator.tell(...agent(c), message))
          const location = taskPath(id)
          if (wantsStream(c)) return yield* following(c, streams, id, start, { location })
          c.env?.untimed?.(c.req.raw)
          const dispatcher = yield* Dispatcher
          const ended = yield* Effect.raceFirst(
            Effect.asSome(dispatcher.result(id, Duration.millis(waitMs))),
            Effect.as(drain.closes, Option.none())
          ).pipe(Effect.catchTag("ResultTimeout", () => Effect.succeedNone))
          if (Option.isNone(ended)) {
            const { state } = yield* dispatcher.task(id)
            return c.json({ id, state }, 202, { location, "retry-after": "1" })
          }
          if (ended.value.state === "succeeded") return c.json({ reply: ended.value.output ?? null })
          const { error, state } = ended.value
          return yield* new TaskFailed({ id, state, error })
        })
      )
    )
    .post("/:type/:key/resume", resuming("resume"))
    .post("/:type/:key/reset", resuming("reset"))
    .post("/:type/:key/stop", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const options = { dryRun: yield* dryRun(c), ...(yield* readStop(yield* readJsonIfAny(c.req.raw))) }
          c.env?.untimed?.(c.req.raw)
          return c.json(yield* AgentOperator.use((operator) => operator.stop(...agent(c), options)))
        })
      )
    )
}
