/**
 * Creates agents of a table, one for each row: by a first message whose input the row's cells are.
 *
 * The table is checked as a whole before the first agent is created: every fault is told with its row and its field, and
 * where there is one nothing is created. Each row is created once: it is written down under the agent's key what it was
 * created with, so that the same table again changes nothing, and a longer one creates what is new.
 *
 * Safe to repeat: a run that follows another finds its plan and its messages.
 */
import { Clock, Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import { Files } from "../../runtime/files.ts"
import { type ChildOutcome, CurrentTask, defineTask } from "../../runtime/handler.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { keptFor } from "../table/kept.ts"
import { hasOneSource, source, TableFault, Tables } from "../table/table.ts"
import { faultsOf, faultsText, type Wanted, wantedBy } from "./plan.ts"

/** A table of more rows is refused: cut it into several. */
const rowsMax = 2_000

/** So many messages are sent before their replies are waited for. */
const atOnce = 200

/** So many rows are checked, or looked up, at once. */
const checksAtOnce = 16

/** How much of its faults the error of a refused table tells; all of them are put out. */
const faultsTextMax = 3_500
const faultsPerChunk = 100

const agentDefault = "agent.chat"
const messageDefault = "configure"

const input = Schema.Struct({
  ...source,
  /** The name of the agents. Default `agent.chat`. */
  agent: Schema.optionalKey(Schema.NonEmptyString),
  /** Their first message. Default `configure`. */
  message: Schema.optionalKey(Schema.NonEmptyString),
  /** What becomes of a row whose agent was created with something else: a fault, or the message is sent again. */
  existing: Schema.optionalKey(Schema.Literals(["refuse", "update"])),
  /** Checks the table, and creates nothing. */
  dryRun: Schema.optionalKey(Schema.Boolean)
}).check(hasOneSource)

const Report = Schema.Struct({
  row: Schema.Int,
  key: Schema.String,
  outcome: Schema.Literals(["created", "unchanged", "updated", "failed"]),
  error: Schema.optionalKey(Schema.Struct({ type: Schema.String, message: Schema.String }))
})
type Report = typeof Report.Type

const output = Schema.Struct({
  agent: Schema.String,
  rows: Schema.Int,
  created: Schema.Int,
  unchanged: Schema.Int,
  updated: Schema.Int,
  failed: Schema.Int,
  /** What became of each row; what would become of it in a dry run. */
  report: Schema.Array(Report),
  /** Of a dry run: every fault of the table. */
  faults: Schema.optionalKey(Schema.Array(TableFault))
})

const PlannedRow = Schema.Struct({
  row: Schema.Int,
  key: Schema.String,
  input: Schema.Record(Schema.String, Schema.Unknown),
  outcome: Schema.Literals(["created", "unchanged", "updated"])
})
type PlannedRow = typeof PlannedRow.Type

/** `agents.create`: creates agents of a table, checked as a whole and each once. */
export const agentsCreate = defineTask.effect({
  name: "agents.create",
  queue: "agents",
  input: exactly(input),
  output,
  retry: { attempts: 4, backoff: { base: "2 seconds", cap: "1 minute" } },
  layer: Layer.provideMerge(Tables.layer, Files.layer),

  run: Effect.fn("agents.create")(function* ({
    agent = agentDefault,
    dryRun = false,
    existing = "refuse",
    message = messageDefault,
    ...place
  }) {
    const task = yield* CurrentTask
    const kept = yield* keptFor(task.task.id)
    const { faults } = yield* task.step(
      "check the table",
      Effect.gen(function* () {
        const tables = yield* Tables
        const table = yield* tables.read(place, rowsMax)
        yield* kept.sweep
        const { faults, wanted } = wantedBy(table.rows)
        const checked = yield* Effect.forEach(wanted, (row) => planned(agent, message, existing, row), {
          concurrency: checksAtOnce
        })
        const all = [...table.faults, ...faults, ...checked.flatMap(({ faults }) => faults)]
        yield* kept.write(
          "plan",
          checked.map(({ plan }) => plan)
        )
        yield* kept.write("faults", all)
        return { faults: all.length }
      })
    )
    if (dryRun || faults > 0) {
      const all = yield* Effect.orDie(readFaults(yield* kept.read("faults")))
      const inOrder = all.toSorted((a, b) => a.row - b.row)
      const plan = yield* Effect.orDie(readPlan(yield* kept.read("plan")))
      if (dryRun) {
        const report = plan.map(({ key, outcome, row }): Report => ({ row, key, outcome }))
        return { agent, ...countsOf(report), report, faults: inOrder }
      }
      for (let at = 0; at < inOrder.length; at += faultsPerChunk) {
        yield* task.emit({ faults: inOrder.slice(at, at + faultsPerChunk) })
      }
      return yield* refuse(
        "RowsInvalid",
        `nothing was created, for the table has ${faults} faults: ${faultsText(inOrder, faultsTextMax)}`
      )
    }

    const plan = yield* Effect.orDie(readPlan(yield* kept.read("plan")))
    const report: Array<Report> = []
    for (let at = 0; at < plan.length; at += atOnce) {
      const rows = plan.slice(at, at + atOnce)
      const changed = rows.filter(({ outcome }) => outcome !== "unchanged")
      const messages = yield* Effect.forEach(changed, ({ input, key }) =>
        task.submit(agent, { message, input }, { key })
      )
      const outcomes = new Map(
        (yield* task.all(messages, { onFailure: "collect" })).map((outcome, at) => [
          changed[at]!.row,
          outcome
        ])
      )
      for (const row of rows) report.push(yield* reported(agent, message, row, outcomes.get(row.row)))
      const done = report.length
      yield* task.step(`${done} rows`, task.progress(done / plan.length, `${done} of ${plan.length} agents`))
    }
    return { agent, ...countsOf(report), report }
  })
})

const readPlan = Schema.decodeUnknownEffect(Schema.Array(PlannedRow))
const readFaults = Schema.decodeUnknownEffect(Schema.Array(TableFault))

const countsOf = (report: ReadonlyArray<Report>) => {
  const count = (outcome: Report["outcome"]) => report.filter((row) => row.outcome === outcome).length
  return {
    rows: report.length,
    created: count("created"),
    unchanged: count("unchanged"),
    updated: count("updated"),
    failed: count("failed")
  }
}

// ---------------------------------------------------------------------------------------------------------
// What was created with what
// ---------------------------------------------------------------------------------------------------------

/** What is written down of an agent that was created. */
const Created = Schema.Struct({
  agent: Schema.String,
  key: Schema.String,
  /** Of the message and its input. */
  hash: Schema.String,
  /** Unix milliseconds. */
  at: Schema.Int
})

const sha256 = (...parts: ReadonlyArray<unknown>) =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex")

const placeOf = (agent: string, key: string) => {
  const hash = sha256(agent, key)
  return `agents/${hash.slice(0, 2)}/${hash}.json`
}

const readCreated = Schema.decodeUnknownEffect(Schema.fromJsonString(Created))

/** What is to become of a row, and its faults. */
const planned = Effect.fnUntraced(function* (
  agent: string,
  message: string,
  existing: "refuse" | "update",
  { input, key, row }: Wanted
) {
  const task = yield* CurrentTask
  const files = yield* Files
  const faults = faultsOf(row, yield* task.check(agent, { message, input }, { key }))
  const there = yield* files.readObject(placeOf(agent, key)).pipe(
    Effect.flatMap((bytes) => Effect.orDie(readCreated(new TextDecoder().decode(bytes)))),
    Effect.catchTag("FileNotFound", () => Effect.undefined)
  )
  const isSame = there?.hash === sha256(message, input)
  const outcome = there === undefined ? "created" : isSame ? "unchanged" : "updated"
  const conflict: ReadonlyArray<TableFault> =
    outcome === "updated" && existing === "refuse"
      ? [
          {
            row,
            field: "key",
            message: `${agent}/${key} was created with something else; say existing: "update" to send it this`
          }
        ]
      : []
  const plan: PlannedRow = { row, key, input, outcome }
  return { plan, faults: [...faults, ...conflict] }
})

/** What became of a row; an agent that has taken its message is written down. */
const reported = Effect.fnUntraced(function* (
  agent: string,
  message: string,
  { input, key, outcome, row }: PlannedRow,
  ended: ChildOutcome | undefined
) {
  if (ended === undefined) return { row, key, outcome } satisfies Report
  if (ended.state !== "succeeded") {
    const { message, type } = ended.error
    return { row, key, outcome: "failed", error: { type, message } } satisfies Report
  }
  const files = yield* Files
  const created = { agent, key, hash: sha256(message, input), at: yield* Clock.currentTimeMillis }
  yield* files.writeObject(placeOf(agent, key), new TextEncoder().encode(JSON.stringify(created)))
  return { row, key, outcome } satisfies Report
})
