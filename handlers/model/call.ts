/**
 * One call of a model, from its first word to its last: told while it comes, and its cost kept however it ends.
 *
 * A call that is cancelled, stalls or breaks off after it has begun was paid for, too. The provider then says nothing of
 * what it was; so it is estimated from the texts, and recorded as such.
 */
import type { FinishReason } from "ai"
import { Effect, Exit, Schedule, Schema, Stream } from "effect"
import type { AttemptOver, EventRefused, LogLevel, StepError, TaskInfo } from "../../runtime/handler.ts"
import { UsageLog } from "../usage/usage.ts"
import { isOverrun, type Spent } from "./budget.ts"
import type { Model, Request, Said } from "./provider.ts"
import { estimateTokens, tokensAtLeast, tokensOfBytes } from "./tokens.ts"

/** The part of a run's context, of a task or of an agent's message, that asking a model needs. */
export interface Run {
  readonly task: TaskInfo
  readonly attempt: number
  readonly idempotencyKey: string
  readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly log: (message: string, level?: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly step: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StepError, R>
}

/** What tokens and money were used, as outputs of handlers say it. */
export const UsageJson = Schema.Struct({
  inputTokens: Schema.Int,
  outputTokens: Schema.Int,
  /** In millionths of the currency of `TROUPE_MODEL_PRICES`; absent where the model has no price. */
  costMicros: Schema.optionalKey(Schema.Int),
  model: Schema.String
})
export type UsageJson = typeof UsageJson.Type

/** What a model said in one call. */
export interface Reply {
  readonly text: string
  readonly calls: ReadonlyArray<{ readonly id: string; readonly tool: string; readonly input: unknown }>
  readonly reason: FinishReason
  readonly spent: Spent
}

/** Asks once, and puts out the text as it comes. `number` is which of the run's calls it is, from 0. */
export const call = Effect.fnUntraced(function* (run: Run, model: Model, request: Request, number: number) {
  const usage = yield* UsageLog
  const calls: Array<Reply["calls"][number]> = []
  let text = ""
  /** Of all that it has said, whatever that was: in bytes, and in tokens that it has at least. */
  let bytes = 0
  let least = 0
  let begun = false
  let end: Extract<Said, { readonly kind: "end" }> | undefined

  const spent = (): Spent => ({
    inputTokens: end?.usage.inputTokens ?? inputTokensOf(request),
    outputTokens: end?.usage.outputTokens ?? tokensOfBytes(bytes)
  })
  const isEstimated = () => end?.usage.inputTokens === undefined || end.usage.outputTokens === undefined

  const recorded = Effect.suspend(() => {
    const tokens = spent()
    const cost = model.cost(tokens)
    return usage.record({
      tenant: run.task.tenant,
      handler: run.task.name,
      model: model.name,
      ...tokens,
      ...(cost === undefined ? {} : { costMicros: cost }),
      task: run.task.id,
      attempt: run.attempt,
      call: number,
      ...(isEstimated() ? { estimated: true } : {})
    })
  }).pipe(
    Effect.retry(Schedule.upTo(Schedule.spaced("100 millis"), { times: 3 })),
    // The answer is there and paid for; to fail here would be to pay for it again.
    Effect.catch((error) => Effect.logError("what a model cost could not be recorded", error))
  )

  yield* model.ask(request).pipe(
    Stream.takeUntil((said) => {
      if (said.kind === "end" || said.kind === "call") return false
      bytes += Buffer.byteLength(said.text)
      least += tokensAtLeast(said.text)
      return isOverrun(least, request.outputTokens)
    }),
    Stream.runForEach((said) => {
      begun = true
      if (said.kind === "end") {
        end = said
        return Effect.void
      }
      if (said.kind === "aside") return Effect.void
      if (said.kind === "call") {
        calls.push({ id: said.id, tool: said.tool, input: said.input })
        return Effect.void
      }
      text += said.text
      return run.emit(said.text)
    }),
    Effect.onExit((exit) => (begun || Exit.isSuccess(exit) ? recorded : Effect.void))
  )
  // A stream that was cut off here, since it went on for longer than it was told to, has no end of its own.
  return { text, calls, reason: end?.reason ?? "length", spent: spent() } satisfies Reply
})

/** About how many tokens a request is. */
export const inputTokensOf = ({ instructions, messages, tools = [] }: Request): number =>
  estimateTokens(instructions) +
  estimateTokens(
    messages
      .map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content)))
      .join("\n")
  ) +
  (tools.length === 0 ? 0 : estimateTokens(JSON.stringify(tools)))
