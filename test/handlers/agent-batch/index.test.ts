/** Tables of questions in a whole system, with a provider on this machine. */
import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentBatch, agentBatchPart } from "../../../handlers/agent-batch/index.ts"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { Tables } from "../../../handlers/table/table.ts"
import { Files } from "../../../runtime/files.ts"
import type { InputOf } from "../../../runtime/named.ts"
import { askingSystem, stores } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { openaiServer, type Script } from "../../support/openai.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const handlers = [agentBatch, agentBatchPart, agentQuery]

const arranged = Effect.fnUntraced(function* (...scripts: readonly [Script, ...ReadonlyArray<Script>]) {
  const files = yield* temporaryFolder
  const leases = yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
  const server = yield* openaiServer(...scripts)
  const read = (id: string) =>
    Effect.map(
      Files.use((files) => files.read(id)),
      (bytes) => new TextDecoder().decode(bytes)
    ).pipe(Effect.provide(filesIn(files), { local: true }))
  const kept = Files.use((all) => all.listObjects("kept/")).pipe(
    Effect.provide(filesIn(files), { local: true })
  )
  return { ...server, files, leases, read, kept }
})

type Input = InputOf<typeof agentBatch>

const run = (input: Input) =>
  Effect.gen(function* () {
    const troupe = yield* Troupe
    const task = yield* troupe.submit(agentBatch, input)
    return { task, output: yield* task.result() }
  })

for (const store of stores) {
  describe(`a batch on ${store}`, () => {
    it.live("answers every row in its place, and a bad one holds up no other", () =>
      Effect.gen(function* () {
        const { files, kept, leases, read, url } = yield* arranged({ pieces: ["Fifteen seconds [1]."] })
        const csv = [
          "id,question,documents",
          `a,How long is a lease?,${leases}`,
          "b,,",
          `c,How long is a lease then?,${"0".repeat(32)}`,
          `d,How long may a lease be?,`
        ].join("\n")
        const { output } = yield* run({ csv, defaults: { passages: 2 } }).pipe(
          Effect.provide(askingSystem({ store, files, url, handlers }))
        )

        expect(output).toMatchObject({
          format: "csv",
          rows: 4,
          answered: 2,
          failed: 2,
          usage: { inputTokens: 100, outputTokens: 14 }
        })
        const table = yield* Tables.use((tables) => tables.read({ file: output.file }, 10)).pipe(
          Effect.provide(Tables.layer),
          Effect.provide(filesIn(files), { local: true })
        )
        expect(table.columns.slice(0, 5)).toEqual(["id", "question", "documents", "answer", "error"])
        expect(table.rows).toMatchObject([
          {
            id: "a",
            answer: "Fifteen seconds [1].",
            citations: "Leases, page 1",
            input_tokens: "50",
            model: "test-model"
          },
          { id: "b", error: "InputInvalid", error_message: expect.stringContaining("/input/question") },
          { id: "c", error: "UnknownDocument" },
          { id: "d", answer: "Fifteen seconds [1]." }
        ])
        expect(yield* read(output.file)).toContain("\r\n")
        // Nothing is left of what it kept on its way.
        expect(yield* kept).toEqual([])
      })
    )
  })
}

describe("a batch", () => {
  it.live("keeps no more queries alive at once than it may, and tells of its progress", () =>
    Effect.gen(function* () {
      const { files, url } = yield* arranged({ pieces: ["Yes."] })
      let alive = 0
      let most = 0
      const fractions: Array<number> = []
      const rows = Array.from({ length: 45 }, (_, at) => ({ question: `How long is lease ${at}?` }))
      const { output } = yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const listening = Promise.withResolvers<void>()
        yield* Effect.forkChild(
          troupe.events({ names: ["agent.query"] }).pipe(
            Stream.runForEach((event) =>
              Effect.sync(() => {
                if (event.type === "listening") listening.resolve()
                if (event.type === "task.submitted") most = Math.max(most, ++alive)
                if (event.type === "task.completed") alive -= 1
              })
            )
          ),
          { startImmediately: true }
        )
        yield* Effect.promise(() => listening.promise)
        const task = yield* troupe.submit(agentBatch, { rows, atOnce: 8 })
        yield* task
          .events()
          .pipe(
            Stream.runForEach((event) =>
              Effect.sync(() => void (event.type === "progress" && fractions.push(event.fraction)))
            )
          )
        return { output: yield* task.result() }
      }).pipe(Effect.provide(askingSystem({ store: "memory", files, url, handlers })))
      expect(output).toMatchObject({ rows: 45, answered: 45 })
      expect(most).toBeGreaterThan(4)
      expect(most).toBeLessThanOrEqual(8)
      expect(fractions.at(-1)).toBe(1)
      expect(fractions.length).toBe(4)
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    })
  )

  it.live(
    "asks equal rows once, however many are asked at the same time, and those each that want to be",
    () =>
      Effect.gen(function* () {
        const { asked, files, read, url } = yield* arranged({ pieces: ["Fifteen seconds [1]."] })
        const equal = Array.from({ length: 48 }, (_, at) => ({ id: at, question: "How long is a lease?" }))
        const anew = Array.from({ length: 3 }, () => ({
          question: "And how long now is a lease?",
          cache: false
        }))
        const { output } = yield* run({ rows: [...equal, ...anew, { question: "" }], format: "json" }).pipe(
          Effect.provide(askingSystem({ store: "memory", files, url, handlers }))
        )

        expect(asked.length).toBe(4)
        expect(output).toMatchObject({
          rows: 52,
          answered: 51,
          failed: 1,
          usage: { inputTokens: 200, outputTokens: 28 }
        })
        const rows = JSON.parse(yield* read(output.file)) as ReadonlyArray<Record<string, unknown>>
        expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 52 }, (_, at) => at + 1))
        expect(rows[47]).toMatchObject({
          id: 47,
          task: rows[0]!["task"],
          answered: {
            answer: "Fifteen seconds [1].",
            cached: true,
            usage: { inputTokens: 0, outputTokens: 0 }
          }
        })
        expect(rows[51]).toMatchObject({ error: { type: "InputInvalid" } })
      })
  )

  it.live("makes each question of a template and the row's cells, and gives JSON", () =>
    Effect.gen(function* () {
      const { asked, files, read, url } = yield* arranged({ pieces: ["Good."] })
      const { output } = yield* run({
        rows: [{ review: "Lease of life!", stars: 5 }, { stars: 1 }],
        template: "Is this lease good: {{review}} ({{ stars }})?",
        format: "json",
        atOnce: 1
      }).pipe(Effect.provide(askingSystem({ store: "memory", files, url, handlers })))
      expect(JSON.parse(asked[0]!.messages[1]!.content)).toMatchObject({
        question: "Is this lease good: Lease of life! (5)?"
      })
      expect(asked.length).toBe(1)
      expect(JSON.parse(yield* read(output.file))).toMatchObject([
        { row: 1, review: "Lease of life!", stars: 5, answered: { answer: "Good." } },
        { row: 2, stars: 1, error: { type: "InputInvalid", message: expect.stringContaining("review") } }
      ])
    })
  )

  for (const [format, csv, taken] of [
    ["csv", "question,error,model,id\nWhy?,a,b,1", "error, model"],
    ["json", "question,row,answered\nWhy?,1,2", "row, answered"]
  ] as const) {
    it.live(`is refused where its answers would take the place of its own columns, in ${format}`, () =>
      Effect.gen(function* () {
        const { asked, files, url } = yield* arranged({ pieces: ["Good."] })
        const failed = yield* Effect.flip(run({ csv, format })).pipe(
          Effect.provide(askingSystem({ store: "memory", files, url, handlers }))
        )
        expect(failed).toMatchObject({
          _tag: "TaskFailed",
          error: { type: "ColumnTaken", message: expect.stringContaining(`columns ${taken},`) }
        })
        expect(asked).toEqual([])
      })
    )
  }

  it.live("is refused where there is nothing to read", () =>
    Effect.gen(function* () {
      const { files, url } = yield* arranged({ pieces: ["Good."] })
      const failed = yield* Effect.flip(run({ csv: "question\n" })).pipe(
        Effect.provide(askingSystem({ store: "memory", files, url, handlers }))
      )
      expect(failed).toMatchObject({ _tag: "TaskFailed", error: { type: "EmptyTable" } })
    })
  )
})
