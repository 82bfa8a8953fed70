/** Tables of agents in a whole system. */
import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { z } from "zod"
import { Troupe } from "../../../api/client/effect.ts"
import { agentChat } from "../../../handlers/agent-chat/index.ts"
import { agentsCreate } from "../../../handlers/agents-create/index.ts"
import { defineAgent } from "../../../runtime/agent.ts"
import { Fatal } from "../../../runtime/handler.ts"
import type { InputOf } from "../../../runtime/named.ts"
import { askingSystem, stores } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"

/** How often each account was opened. */
const opened: Array<string> = []

const account = defineAgent({
  name: "bank.account",
  state: { schema: z.object({ limit: z.number() }), initial: () => ({ limit: 0 }) },
  messages: { open: { input: z.object({ limit: z.number(), name: z.string().optional() }) } },
  handle: {
    async open({ limit, name }, ctx) {
      if (name === "nobody") throw new Fatal("there is no such person", { type: "NoSuchPerson" })
      opened.push(ctx.key)
      ctx.setState({ limit })
    }
  }
})

const handlers = [agentsCreate, agentChat, account]

const inSystem = <A, E>(store: (typeof stores)[number], use: Effect.Effect<A, E, Troupe>) =>
  Effect.gen(function* () {
    opened.length = 0
    const files = yield* temporaryFolder
    return yield* Effect.provide(use, askingSystem({ store, files, handlers }))
  })

const create = (input: InputOf<typeof agentsCreate>) =>
  Effect.gen(function* () {
    const troupe = yield* Troupe
    const task = yield* troupe.submit(agentsCreate, input)
    return yield* task.result()
  })

const accounts = (csv: string) => ({ agent: "bank.account", message: "open", csv })

for (const store of stores) {
  describe(`agents of a table on ${store}`, () => {
    it.live("are created once, a report a row, however often the table comes", () =>
      inSystem(
        store,
        Effect.gen(function* () {
          const troupe = yield* Troupe
          const two = accounts("key,limit:number,name\nada,10,Ada\ngrace,20,")
          expect(yield* create(two)).toMatchObject({ rows: 2, created: 2, unchanged: 0, failed: 0 })
          expect((yield* troupe.agent(account, "grace").read).state).toEqual({ limit: 20 })

          const three = accounts("key,limit:number,name\ngrace,20,\nada,10,Ada\nlise,30,")
          expect(yield* create(three)).toMatchObject({
            created: 1,
            unchanged: 2,
            report: [
              { row: 1, key: "grace", outcome: "unchanged" },
              { row: 2, key: "ada", outcome: "unchanged" },
              { row: 3, key: "lise", outcome: "created" }
            ]
          })
          expect(opened.toSorted()).toEqual(["ada", "grace", "lise"])
        })
      )
    )

    it.live("are not created at all where one row is bad, and every fault is told", () =>
      inSystem(
        store,
        Effect.gen(function* () {
          const troupe = yield* Troupe
          const task = yield* troupe.submit(
            agentsCreate,
            accounts('key,limit:number\nada,10\n,20\ngrace,many\nada,10\n"a\nb",1')
          )
          const failed = yield* Effect.flip(task.result())
          expect(failed).toMatchObject({
            _tag: "TaskFailed",
            error: { type: "RowsInvalid", message: expect.stringContaining("nothing was created") }
          })
          const chunks = yield* task.events().pipe(
            Stream.filter(({ type }) => type === "chunk"),
            Stream.map(
              (event) => (event as unknown as { chunk: { faults: ReadonlyArray<object> } }).chunk.faults
            ),
            Stream.runCollect
          )
          expect(chunks.flat()).toMatchObject([
            { row: 2, field: "key" },
            { row: 3, field: "limit", message: '"many" is no number' },
            { row: 3, field: "limit" },
            { row: 4, field: "key", message: expect.stringContaining("row 1") },
            { row: 5, field: "key" }
          ])
          expect(opened).toEqual([])
        })
      )
    )
  })
}

describe("agents of a table", () => {
  it.live("are not created where a column is none of their message's fields", () =>
    inSystem(
      "memory",
      Effect.gen(function* () {
        const troupe = yield* Troupe
        const misspelt = { csv: "key,instrctions,budget.totalTokns:number\nada,You are a librarian.,5" }
        expect(yield* create({ ...misspelt, dryRun: true })).toMatchObject({
          faults: [
            { row: 1, field: "instrctions", message: expect.stringContaining("did you mean instructions?") },
            { row: 1, field: "budget.totalTokns", message: expect.stringContaining("totalTokens") }
          ]
        })
        expect(yield* Effect.flip(create(misspelt))).toMatchObject({ error: { type: "RowsInvalid" } })
        expect(yield* Effect.flip(troupe.agent(agentChat, "ada").read)).toMatchObject({
          _tag: "AgentNotFound"
        })
      })
    )
  )

  it.live("are told something else only where that is said", () =>
    inSystem(
      "memory",
      Effect.gen(function* () {
        yield* create(accounts("key,limit:number\nada,10"))
        const other = accounts("key,limit:number\nada,11")
        expect(yield* Effect.flip(create(other))).toMatchObject({
          error: { type: "RowsInvalid", message: expect.stringContaining('existing: "update"') }
        })
        expect(yield* create({ ...other, existing: "update" })).toMatchObject({ updated: 1 })
        expect(opened).toEqual(["ada", "ada"])
      })
    )
  )

  it.live("that refuse their message are reported, and the others are created", () =>
    inSystem(
      "memory",
      Effect.gen(function* () {
        const { failed, report } = yield* create(accounts("key,limit:number,name\nada,10,nobody\ngrace,1,"))
        expect(failed).toBe(1)
        expect(report).toMatchObject([
          { key: "ada", outcome: "failed", error: { type: "NoSuchPerson" } },
          { key: "grace", outcome: "created" }
        ])
      })
    )
  )

  it.live("are only looked at in a dry run", () =>
    inSystem(
      "memory",
      Effect.gen(function* () {
        expect(
          yield* create({ ...accounts("key,limit:number\nada,10\ngrace,x"), dryRun: true })
        ).toMatchObject({
          created: 2,
          faults: [{ row: 2, field: "limit" }, { row: 2 }]
        })
        expect(opened).toEqual([])
      })
    )
  )

  it.live("are chats where nothing else is said", () =>
    inSystem(
      "memory",
      Effect.gen(function* () {
        const troupe = yield* Troupe
        yield* create({
          csv: "key,instructions,tools:list,budget.totalTokens:number\nada,Be kind.,search_documents,500"
        })
        expect((yield* troupe.agent(agentChat, "ada").ask("export", null)).settings).toEqual({
          instructions: "Be kind.",
          tools: ["search_documents"],
          budget: { totalTokens: 500 }
        })
        expect(
          yield* Effect.flip(create({ rows: [{ key: "a", historyTokens: 1 }], agent: "agent.chta" }))
        ).toMatchObject({
          error: { message: expect.stringContaining("did you mean agent.chat?") }
        })
      })
    )
  )
})
