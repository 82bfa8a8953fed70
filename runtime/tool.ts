/**
 * A tool: what a language model may call while it answers.
 *
 * `defineTool` makes one, and a module of the folder `TROUPE_TOOLS` exports it. A request names the tools that it lets the
 * model call. The model says what it calls a tool with, so the input is checked against the schema first; and what a
 * tool does may be done twice, when a process dies at the wrong moment: `idempotencyKey` is the same both times.
 */
import { type Duration, Schema, type StandardSchema } from "effect"
import { type AnySchema, check, type Checked, type Whatever } from "./check.ts"
import { millisOf, written } from "./duration.ts"
import type { TypeOf } from "./handler.ts"

/** What a tool is given beside its input. */
export interface ToolContext {
  /** Fires when the call must stop: its time is over, or its run has ended. */
  readonly signal: AbortSignal
  /** The same text whenever this call is made again, and for no other call. */
  readonly idempotencyKey: string
  /** The task whose model calls it, and whose task it is. */
  readonly task: string
  readonly tenant: string
}

/** A JSON schema, as it is shown to models. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** What a tool is made of. Its `run` is given what fits its `input`. */
/** What a tool is made of. */
export interface ToolOptions<In extends AnySchema> {
  /** How models and requests name it: 1 to 64 of `A-Z a-z 0-9 _ -`, a letter first. */
  readonly name: string
  /** What it does and when to call it, in words for the model. */
  readonly description: string
  /** What it is called with: a schema of zod 4, of effect, or any that tells its JSON schema. */
  readonly input: In
  /** The JSON schema of `input`, for schemas that do not tell it themselves. */
  readonly parameters?: JsonSchema
  /** How long one call may take. Default 30 seconds. */
  readonly timeout?: Duration.Input
  /** Gives any JSON value, which the model reads. What it throws the model reads, too, as the call's failure. */
  readonly run: (input: TypeOf<In>, ctx: ToolContext) => unknown
}

const toolBrand: unique symbol = Symbol.for("troupe/ToolDefinition")

/** A tool, ready to be found. */
export interface ToolDefinition {
  readonly [toolBrand]: true
  readonly name: string
  readonly description: string
  readonly parameters: JsonSchema
  readonly timeoutMs: number
  readonly readInput: (input: unknown) => Checked
  readonly run: (input: Whatever, ctx: ToolContext) => unknown
}

/** How a tool may be named. */
export const toolName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

const timeoutDefault: Duration.Input = "30 seconds"

/** Makes a tool. Throws a `TypeError` that names the field when it cannot be. */
export const defineTool = <const In extends AnySchema>(options: ToolOptions<In>): ToolDefinition => {
  const { description, input, name, parameters, run, timeout = timeoutDefault } = options
  if (!toolName.test(name)) {
    throw new TypeError(`"${name}" cannot name a tool: 1 to 64 of A-Z a-z 0-9 _ -, a letter first`)
  }
  if (description.trim() === "") throw new TypeError(`tool ${name}: description is empty; the model reads it`)
  const timeoutMs = millisOf(timeout)
  if (timeoutMs === undefined || !Number.isFinite(timeoutMs) || timeoutMs <= 0) {
    throw new TypeError(`tool ${name}: timeout ${written(timeout)} is no duration above 0`)
  }
  return {
    [toolBrand]: true,
    name,
    description,
    parameters: parameters ?? parametersOf(name, input),
    timeoutMs: Math.ceil(timeoutMs),
    readInput: check(input, Schema.toStandardSchemaV1),
    run
  }
}

export const isToolDefinition = (value: unknown): value is ToolDefinition =>
  typeof value === "object" && value !== null && toolBrand in value

/** What a schema tells of itself in the form that models are shown. */
const parametersOf = (tool: string, schema: AnySchema): JsonSchema => {
  const standard = "~standard" in schema ? schema : Schema.toStandardJSONSchemaV1(schema)
  const told =
    "jsonSchema" in standard["~standard"] ? (standard as StandardSchema.StandardJSONSchemaV1) : undefined
  if (told === undefined) {
    throw new TypeError(`tool ${tool}: its input does not tell its JSON schema: say it as parameters`)
  }
  const { $schema: _, ...parameters } = told["~standard"].jsonSchema.input({ target: "draft-07" })
  return parameters
}
