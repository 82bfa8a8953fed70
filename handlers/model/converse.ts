/**
 * An answer of a model that may call tools: asked, what it calls run, asked again, until it has nothing more to call.
 *
 * Every call of the model and every call of a tool is a step: a run that is repeated pays for none of them again, and puts
 * out what was said before. How many tools are called is bounded, and so are the tokens, by the request's budget: what
 * does not fit is refused before the first call, and ends the answer after it, with what there is.
 */
import type { ModelMessage } from "ai"
import { Effect } from "effect"
import { refuse } from "../refusal/refuse.ts"
import { beginning } from "../text/beginning.ts"
import { allowance, type Budget, nothingSpent, type Spent, type Stop } from "./budget.ts"
import { call, inputTokensOf, type Reply, type Run, type UsageJson } from "./call.ts"
import { ProviderUnavailable } from "./failure.ts"
import type { Callable, Model, Request } from "./provider.ts"

/** An answer is cut off there, whatever the budget. */
export const outputTokensMax = 4_096

/** What a tool gives beyond this many characters of JSON the model does not see. */
export const toolOutputCharactersMax = 20_000

/** What a call of a tool came to: what the model reads. */
export type Outcome = { readonly output: unknown } | { readonly error: string }

/** A tool that a model may call. */
export interface Tool extends Callable {
  /** Never fails: the model reads what went wrong. `call` is the same text whenever this call is made again. */
  readonly run: (input: unknown, run: Run, call: string) => Effect.Effect<Outcome>
  /** Told of each outcome once in each run, also of those that an earlier run came to. */
  readonly onOutcome?: (outcome: Outcome) => void
}

export interface Conversation {
  readonly instructions: string
  readonly messages: ReadonlyArray<ModelMessage>
  readonly tools: ReadonlyArray<Tool>
  /** How many calls of tools the answer may take. */
  readonly toolCallsMax: number
  readonly budget: Budget
  /** How many calls of the model the run has made before. Default none. */
  readonly callsBefore?: number
}

export interface Answer {
  readonly text: string
  readonly usage: UsageJson
  /** How many times a tool was called. */
  readonly toolCalls: number
  /** Why it ends early, and what was spent by then. */
  readonly stopped?: Stopped
}

export interface Stopped {
  readonly by: Stop
  readonly message: string
}

/** Asks a model until it has answered. */
export const converse = Effect.fn("converse")(function* (run: Run, model: Model, conversation: Conversation) {
  const { budget, callsBefore = 0, instructions, toolCallsMax, tools } = conversation
  const messages = [...conversation.messages]
  let spent: Spent = nothingSpent
  let text = ""
  let toolCalls = 0

  const answer = (stopped?: Stopped): Answer => {
    const cost = model.cost(spent)
    return {
      text,
      toolCalls: Math.min(toolCalls, toolCallsMax),
      usage: { ...spent, ...(cost === undefined ? {} : { costMicros: cost }), model: model.name },
      ...(stopped === undefined ? {} : { stopped })
    }
  }

  // Each turn but the last calls a tool at least once.
  for (let turn = 0; ; turn++) {
    const asked = { instructions, messages, tools, mayCall: toolCalls < toolCallsMax }
    const allowed = allowance(
      budget,
      spent,
      inputTokensOf({ ...asked, outputTokens: outputTokensMax }),
      outputTokensMax
    )
    if (allowed.kind === "stop") {
      const message = `the budget's ${allowed.by} do not suffice: the next call of ${model.name} needs about ${allowed.needs}, and ${allowed.left} are left; spent: ${spentAs(spent)}`
      if (turn === 0) return yield* refuse("BudgetExceeded", message)
      return answer({ by: allowed.by, message })
    }
    const reply = yield* remembered(
      run,
      model,
      { ...asked, outputTokens: allowed.outputTokens },
      turn,
      callsBefore,
      text
    )
    text += reply.text
    spent = {
      inputTokens: spent.inputTokens + reply.spent.inputTokens,
      outputTokens: spent.outputTokens + reply.spent.outputTokens
    }
    if (reply.calls.length === 0 || !asked.mayCall) {
      if (reply.reason === "length") {
        const what = allowed.by === "length" ? "the longest answer there is" : `the budget's ${allowed.by}`
        const message = `the answer was cut off at ${allowed.outputTokens} tokens, ${what}; spent: ${spentAs(spent)}`
        return answer({ by: allowed.by, message })
      }
      if (reply.reason === "content-filter") {
        return answer({
          by: "content-filter",
          message: `the provider's filter ended the answer; spent: ${spentAs(spent)}`
        })
      }
      return answer()
    }
    const results: Array<ToolResult> = []
    for (const asked of reply.calls) {
      const number = toolCalls++
      const outcome = yield* called(run, tools, asked, number, toolCallsMax)
      results.push(resultOf(asked, outcome))
    }
    messages.push({ role: "assistant", content: partsOf(reply) }, { role: "tool", content: results })
  }
})

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

type Call = Reply["calls"][number]
type ToolResult = Exclude<
  Extract<ModelMessage, { role: "tool" }>["content"][number],
  { type: "tool-approval-response" }
>

const spentAs = ({ inputTokens, outputTokens }: Spent) =>
  `${inputTokens} tokens of input and ${outputTokens} of output`

/** Nothing to show, and nothing that says why. */
const isEmpty = ({ calls, reason }: Reply, mayCall: boolean, text: string) =>
  (calls.length === 0 || !mayCall) && !["length", "content-filter"].includes(reason) && text.trim() === ""

/**
 * What an earlier run was told already is put out as a whole: followers start over with each run. An empty answer is not
 * remembered, or each further run would be given it again. `before` is what was said in the turns before.
 */
const remembered = Effect.fnUntraced(function* (
  run: Run,
  model: Model,
  request: Request,
  turn: number,
  callsBefore: number,
  before: string
) {
  let fresh = false
  const reply = yield* run.step(
    `ask the model ${turn + 1}`,
    Effect.suspend(() => {
      fresh = true
      return call(run, model, request, callsBefore + turn)
    }).pipe(
      Effect.filterOrFail(
        (reply) => !isEmpty(reply, request.mayCall !== false, before + reply.text),
        () => new ProviderUnavailable({ model: model.name, reason: "the model gave an empty answer" })
      )
    )
  )
  if (!fresh && reply.text !== "") yield* run.emit(reply.text)
  return reply
})

const called = Effect.fnUntraced(function* (
  run: Run,
  tools: ReadonlyArray<Tool>,
  { id, input, tool: name }: Call,
  number: number,
  toolCallsMax: number
) {
  const tool = tools.find((tool) => tool.name === name)
  // The AI SDK's own chunks, so that its clients show them.
  yield* run.emit({ type: "tool-input-available", toolCallId: id, toolName: name, input })
  const outcome: Outcome =
    number >= toolCallsMax
      ? {
          error: `at most ${toolCallsMax} calls of tools are allowed, and they are made: answer with what you have`
        }
      : tool === undefined
        ? { error: `there is no tool "${name}", only ${tools.map((tool) => tool.name).join(", ")}` }
        : yield* run.step(
            `call ${name} ${number + 1}`,
            Effect.map(tool.run(input, run, `${run.idempotencyKey}/${number}`), bounded)
          )
  tool?.onOutcome?.(outcome)
  yield* run.emit(
    "error" in outcome
      ? { type: "tool-output-error", toolCallId: id, errorText: outcome.error }
      : { type: "tool-output-available", toolCallId: id, output: outcome.output }
  )
  return outcome
})

/** An outcome that is JSON and not too long; a longer one is cut, as text. */
const bounded = (outcome: Outcome): Outcome => {
  if ("error" in outcome) return { error: beginning(outcome.error, toolOutputCharactersMax) }
  const json = jsonOf(outcome.output ?? null)
  if (json === undefined) return { error: "the tool gave no JSON" }
  return json.length <= toolOutputCharactersMax
    ? { output: JSON.parse(json) }
    : { output: `${beginning(json, toolOutputCharactersMax)} … (cut off)` }
}

/** A tool may give anything: a function, a bigint, what holds itself. */
const jsonOf = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

const partsOf = ({ calls, text }: Reply) => [
  ...(text === "" ? [] : [{ type: "text" as const, text }]),
  ...calls.map(({ id, input, tool }) => ({
    type: "tool-call" as const,
    toolCallId: id,
    toolName: tool,
    input
  }))
]

const resultOf = ({ id, tool }: Call, outcome: Outcome): ToolResult => ({
  type: "tool-result",
  toolCallId: id,
  toolName: tool,
  output:
    "error" in outcome
      ? { type: "error-text", value: outcome.error }
      : { type: "json", value: outcome.output as never }
})
