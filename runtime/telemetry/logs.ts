/**
 * How log lines look, as `TROUPE_LOG_FORMAT` says, and what a line tells that is logged in a run.
 *
 * A JSON line has fields that are the same everywhere: `task`, `attempt`, `handler`, `queue`, `worker`, `tenant`, and
 * `trace_id` and `span_id` where there is a trace. What a task was given and what it gave is in none of them.
 */
import { Cause, Formatter, Layer, Logger, References } from "effect"
import { hostname } from "node:os"
import { Settings } from "../config.ts"
import type { Envelope } from "../record.ts"
import { type Entry, idIn, type Partition, queueOf, runOfEntry, ulidOfEntry } from "../task.ts"
import { tenantDefault } from "../tenant.ts"
import { followedBy } from "./following.ts"
import { type Carried, readTraceparent } from "./trace-context.ts"

/** The trace of a line, in the words of OpenTelemetry. */
export const traceFields = ({ traceparent }: Carried): Readonly<Record<string, string>> => {
  const context = traceparent === undefined ? undefined : readTraceparent(traceparent)
  return context === undefined ? {} : { trace_id: context.traceId, span_id: context.spanId }
}

/** What every line tells that is logged in a run. */
export const runFields = (run: {
  readonly partition: Partition
  readonly worker: string
  readonly entry: Entry
  readonly envelope: Envelope
}): Readonly<Record<string, string | number>> => {
  const { entry, envelope, partition, worker } = run
  return {
    task: idIn(partition, ulidOfEntry(entry)),
    attempt: runOfEntry(entry),
    handler: envelope.name,
    queue: queueOf(partition),
    worker,
    tenant: envelope.tenant ?? tenantDefault,
    ...traceFields(envelope)
  }
}

const host = hostname()

/** An error says its type, its message and where it came from; anything else is said as it is. */
const told = (part: unknown): unknown =>
  part instanceof Error ? { type: part.name, message: part.message, stack: part.stack } : part

const textOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? `${part.name}: ${part.message}` : ""

/** One object a line. */
export const jsonLine: Logger.Logger<unknown, string> = Logger.make(
  ({ cause, date, fiber, logLevel, message }) => {
    const parts = Array.isArray(message) ? (message as ReadonlyArray<unknown>) : [message]
    const rest = parts.filter((part) => typeof part !== "string").map(told)
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    return Formatter.formatJson({
      time: date.toISOString(),
      level: logLevel.toLowerCase(),
      message: parts.map(textOf).filter(Boolean).join(" "),
      host,
      pid: process.pid,
      ...traceFields(followedBy(fiber) ?? {}),
      ...annotations,
      ...(rest.length === 0 ? {} : { details: rest }),
      ...(cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) })
    })
  }
)

const loggers = {
  json: () => Logger.withConsoleError(jsonLine),
  logfmt: () => Logger.withConsoleError(Logger.formatLogFmt),
  pretty: () => Logger.consolePretty({ mode: "tty" })
}

/** What is built on this says no more than `TROUPE_LOG` allows, and says it as `TROUPE_LOG_FORMAT` does. */
export const layer: Layer.Layer<never, never, Settings> = Layer.unwrap(
  Settings.useSync(({ log, logFormat }) =>
    Layer.merge(
      Layer.succeed(References.MinimumLogLevel, log),
      logFormat === undefined ? Layer.empty : Logger.layer([loggers[logFormat]()])
    )
  )
)
