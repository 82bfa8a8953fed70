/** What becomes of a question to a model: tools, budgets, the ledger, answers that are kept, stalls. */
import { describe, expect } from "bun:test"
import { ConfigProvider, Duration, Effect, Layer, Stream } from "effect"
import * as path from "node:path"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { UsageLog } from "../../../handlers/usage/usage.ts"
import type { SettingsShape } from "../../../runtime/config.ts"
import { Files } from "../../../runtime/files.ts"
import { type CurrentTask, Fatal } from "../../../runtime/handler.ts"
import type { InputOf } from "../../../runtime/named.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { openaiServer, type Script } from "../../support/openai.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const question = "How long is a lease?"

/** A folder with two documents, a provider that follows the scripts, and how to ask. */
const arranged = (...scripts: readonly [Script, ...ReadonlyArray<Script>]) =>
  Effect.gen(function* () {
    const files = yield* temporaryFolder
    const leases = yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
    const wells = yield* storedDocument(files, "Wells", "The wells gave four million litres of water.")
    const server = yield* openaiServer(...scripts)
    const env = { OPENAI_BASE_URL: server.url, OPENAI_MODEL: "test-model" }
    const ask = (
      input: Partial<InputOf<typeof agentQuery>> = {},
      task: CurrentTask["Service"] = recordingTask().task,
      over: Partial<SettingsShape> = {}
    ) =>
      runHandler(agentQuery, { question, documents: [leases], ...input }, task).pipe(
        Effect.provide(settings({ files, modelPrices: [{ model: "*", input: 1, output: 10 }], ...over })),
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
      )
    const ledger = UsageLog.use(({ read }) =>
      Stream.runCollect(read({ from: 0, to: Number.MAX_SAFE_INTEGER }))
    ).pipe(Effect.provide(UsageLog.layer.pipe(Layer.provide(filesIn(files))), { local: true }))
    return { ...server, ask, files, ledger, leases, wells }
  })

const searching = (query: string): Script => ({ calls: [{ tool: "search_documents", input: { query } }] })

describe("a model that may search", () => {
  it.live("finds further passages, which its answer cites by numbers that go on", () =>
    Effect.gen(function* () {
      const { ask, asked, leases, wells } = yield* arranged(searching("water of wells"), {
        pieces: ["Fifteen seconds [1], ", "and four million litres [2]."]
      })
      const { recording, task } = recordingTask()

      const output = yield* ask(
        { tools: ["search_documents"], documents: [leases, wells], passages: 1 },
        task
      )

      expect(output).toMatchObject({
        answer: "Fifteen seconds [1], and four million litres [2].",
        toolCalls: 1,
        citations: [
          { document: leases, page: 1, quote: "A lease is fifteen seconds long." },
          { document: wells, page: 1, quote: "The wells gave four million litres of water." }
        ]
      })
      expect(asked[0]!.tools?.map((tool) => tool.function.name)).toEqual(["search_documents"])
      expect(asked[1]!.messages.at(-1)).toMatchObject({
        role: "tool",
        content: expect.stringContaining('"number":2')
      })
      // What it calls is streamed beside the text, in the AI SDK's words.
      expect(recording.chunks).toMatchObject([
        { type: "tool-input-available", toolName: "search_documents", input: { query: "water of wells" } },
        { type: "tool-output-available" },
        "Fifteen seconds [1], ",
        "and four million litres [2]."
      ])
    })
  )

  it.live("finds nothing outside of the documents that its question names", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged(searching("water of wells"), { pieces: ["No."] })
      yield* ask({ tools: ["search_documents"] })
      expect(JSON.parse(asked[1]!.messages.at(-1)!.content)).toEqual({ passages: [] })
    })
  )

  it.live("is told when it calls wrongly, or what is not there", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged(
        {
          calls: [
            { tool: "search_documents", input: { q: 1 } },
            { tool: "rm", input: {} }
          ]
        },
        { pieces: ["Sorry."] }
      )
      yield* ask({ tools: ["search_documents"] })
      const [first, second] = asked[1]!.messages.slice(-2)
      expect(first!.content).toContain("does not fit")
      expect(second!.content).toContain('no tool \\"rm\\"')
    })
  )

  it.live("calls tools so often at most, and must then answer", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged(
        { calls: [...searching("a").calls!, ...searching("b").calls!, ...searching("c").calls!] },
        { pieces: ["Enough."] }
      )
      const { recording, task } = recordingTask()
      const output = yield* ask({ tools: ["search_documents"], toolCalls: 2 }, task)
      expect(output).toMatchObject({ answer: "Enough.", toolCalls: 2 })
      expect(asked.map(({ tool_choice }) => tool_choice)).toEqual(["auto", "none"])
      expect(
        recording.chunks.filter((chunk) => (chunk as { type?: string }).type === "tool-output-error")
      ).toEqual([expect.objectContaining({ errorText: expect.stringContaining("at most 2 calls") })])
    })
  )
})

describe("a tool of the operator's folder", () => {
  const toolModule = `
    import { defineTool } from ${JSON.stringify(path.resolve(import.meta.dir, "../../../runtime/tool.ts"))}
    import { z } from "zod"
    const city = z.object({ city: z.string() })
    export const weather = defineTool({ name: "weather", description: "The weather.", input: city,
      run: ({ city }, { idempotencyKey }) => ({ city, degrees: 21, idempotencyKey }) })
    export const broken = defineTool({ name: "broken", description: "Fails.", input: city,
      run: () => { throw new Error("no such city") } })
    export const odd = defineTool({ name: "odd", description: "Counts.", input: city,
      run: () => { const all = { count: 1n }; return all } })
    export const strict = defineTool({ name: "strict", description: "Looks.", run: () => 1,
      input: city.refine(() => { throw new Error("no map is loaded") }) })
    export const chatty = defineTool({ name: "chatty", description: "Says.", input: city,
      run: () => "😀".repeat(20_000) })
    export const slow = defineTool({ name: "slow", description: "Stalls.", input: city, timeout: "50 millis",
      run: (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped")))) })`
  const withTools = Effect.fnUntraced(function* (...scripts: readonly [Script, ...ReadonlyArray<Script>]) {
    // Below the project, where its packages are found.
    const tools = path.join(import.meta.dir, `.tools-${crypto.randomUUID()}`)
    yield* Effect.acquireRelease(
      Effect.promise(() => Bun.write(path.join(tools, "tools.ts"), toolModule)),
      () => Effect.promise(() => Bun.$`rm -rf ${tools}`.quiet())
    )
    return { ...(yield* arranged(...scripts)), tools }
  })
  const calling = (tool: string): Script => ({ calls: [{ tool, input: { city: "Oslo" } }] })

  it.live("is called with what its schema allows, under a key of its own, and read by the model", () =>
    Effect.gen(function* () {
      const { ask, asked, tools } = yield* withTools(calling("weather"), { pieces: ["21 degrees."] })
      const { task } = recordingTask()
      const output = yield* ask({ tools: ["weather"], question: "How warm is Oslo?" }, task, { tools })
      expect(output.answer).toBe("21 degrees.")
      expect(asked[0]!.tools![0]!.function).toMatchObject({
        name: "weather",
        parameters: { type: "object", required: ["city"] }
      })
      expect(JSON.parse(asked[1]!.messages.at(-1)!.content)).toEqual({
        city: "Oslo",
        degrees: 21,
        idempotencyKey: `${task.idempotencyKey}/0`
      })
    })
  )

  it.live("that throws, or takes too long, fails the call and not the question", () =>
    Effect.gen(function* () {
      const { ask, asked, tools } = yield* withTools(
        { calls: [...calling("broken").calls!, ...calling("slow").calls!] },
        { pieces: ["I do not know."] }
      )
      const output = yield* ask({ tools: ["broken", "slow"] }, undefined, { tools })
      expect(output.answer).toBe("I do not know.")
      expect(asked[1]!.messages.slice(-2).map(({ content }) => content)).toEqual([
        expect.stringContaining("no such city"),
        expect.stringContaining("longer than 50ms")
      ])
    })
  )

  it.live("that gives no JSON, or whose schema throws, fails the call and not the question", () =>
    Effect.gen(function* () {
      const { ask, asked, tools } = yield* withTools(
        { calls: [...calling("odd").calls!, ...calling("strict").calls!] },
        { pieces: ["I do not know."] }
      )
      const output = yield* ask({ tools: ["odd", "strict"] }, undefined, { tools })
      expect(output.answer).toBe("I do not know.")
      expect(asked[1]!.messages.slice(-2).map(({ content }) => content)).toEqual([
        expect.stringContaining("no JSON"),
        expect.stringContaining("no map is loaded")
      ])
    })
  )

  it.live("that says too much is cut off between two characters", () =>
    Effect.gen(function* () {
      const { ask, asked, tools } = yield* withTools(calling("chatty"), { pieces: ["Much."] })
      yield* ask({ tools: ["chatty"] }, undefined, { tools })
      const said = JSON.parse(asked[1]!.messages.at(-1)!.content) as string
      expect(said).toEndWith("… (cut off)")
      expect(said.isWellFormed()).toBe(true)
    })
  )

  it.live("that is not there is refused before anything is asked, and those that are are named", () =>
    Effect.gen(function* () {
      const { ask, asked, tools } = yield* withTools({ pieces: ["No."] })
      const refused = yield* Effect.flip(ask({ tools: ["wether"] }, undefined, { tools }))
      expect(refused).toMatchObject({ name: "UnknownTool", message: expect.stringContaining("weather") })
      expect(asked).toEqual([])
    })
  )
})

describe("a budget", () => {
  it.live("that does not suffice for the question is refused before anything is spent", () =>
    Effect.gen(function* () {
      const { ask, asked, ledger } = yield* arranged({ pieces: ["No."] })
      const refused = yield* Effect.flip(ask({ budget: { inputTokens: 20 } }))
      expect(refused).toBeInstanceOf(Fatal)
      expect(refused).toMatchObject({
        name: "BudgetExceeded",
        message: expect.stringMatching(/inputTokens.*needs about \d+, and 20 are left; spent: 0 tokens/)
      })
      expect(asked).toEqual([])
      expect(yield* ledger).toEqual([])
    })
  )

  it.live("of output is told to the provider, and an answer that it cut off says so", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged({
        pieces: ["A lease is"],
        finish: "length",
        usage: { input: 50, output: 3 }
      })
      const output = yield* ask({ budget: { outputTokens: 3 } })
      expect(asked[0]!.max_tokens).toBe(3)
      expect(output).toMatchObject({
        answer: "A lease is",
        stopped: {
          by: "outputTokens",
          message: expect.stringContaining("spent: 50 tokens of input and 3 of output")
        }
      })
    })
  )

  it.live("ends an answer of a provider that goes on regardless, and closes its connection", () =>
    Effect.gen(function* () {
      const { ask, ledger, left } = yield* arranged({
        pieces: Array.from({ length: 50 }, () => "word "),
        ending: "stall"
      })
      const output = yield* ask({ budget: { outputTokens: 10 } })
      yield* Effect.promise(() => left)
      expect(output.stopped).toMatchObject({ by: "outputTokens" })
      expect(output.usage!.outputTokens).toBeLessThan(20)
      expect(yield* ledger).toMatchObject([{ outputTokens: output.usage!.outputTokens, estimated: true }])
    })
  )

  it.live("ends an answer that would call a tool with no end of words, and calls none", () =>
    Effect.gen(function* () {
      const { ask, asked, ledger } = yield* arranged(searching("water ".repeat(10_000)))
      const { recording, task } = recordingTask()
      const output = yield* ask({ tools: ["search_documents"] }, task)
      expect(asked.length).toBe(1)
      expect(recording.chunks).toEqual([])
      expect(output).toMatchObject({ answer: "", stopped: { by: "length" }, toolCalls: 0 })
      expect(yield* ledger).toMatchObject([{ estimated: true, outputTokens: output.usage!.outputTokens }])
    })
  )

  it.live("cuts off no answer in a script that takes more bytes for a token", () =>
    Effect.gen(function* () {
      // 34 tokens, as `o200k_base` counts them, and 299 bytes.
      const answer =
        "पट्टा हर पाँच सेकंड में उस कर्मचारी द्वारा नवीनीकृत किया जाता है जो उसे रखता है, और उसके मरने पर समाप्त हो जाता है।"
      const { ask } = yield* arranged({
        pieces: answer.split(/(?<= )/),
        usage: { input: 50, output: 34 }
      })
      const output = yield* ask({ budget: { outputTokens: 40 } })
      expect(output).toMatchObject({ answer, usage: { outputTokens: 34 } })
      expect(output.stopped).toBe(undefined)
    })
  )

  it.live("ends an answer between two calls, with what there is", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged({
        pieces: ["I will look. "],
        ...searching("wells"),
        usage: { input: 400, output: 5 }
      })
      const output = yield* ask({ tools: ["search_documents"], budget: { totalTokens: 600 } })
      expect(asked.length).toBe(1)
      expect(output).toMatchObject({
        answer: "I will look. ",
        stopped: { by: "totalTokens", message: expect.stringContaining("spent: 400") }
      })
    })
  )
})

describe("what was spent", () => {
  it.live("is in the output, with its cost, and in the ledger, call by call", () =>
    Effect.gen(function* () {
      const { ask, ledger } = yield* arranged(
        { ...searching("lease"), usage: { input: 100, output: 10 } },
        { pieces: ["Yes."], usage: { input: 200, output: 20 } }
      )
      const { task } = recordingTask()
      const output = yield* ask({ tools: ["search_documents"] }, task)
      expect(output.usage).toEqual({
        inputTokens: 300,
        outputTokens: 30,
        costMicros: 600,
        model: "test-model"
      })
      expect((yield* ledger).toSorted((a, b) => a.call - b.call)).toMatchObject([
        { call: 0, inputTokens: 100, outputTokens: 10, costMicros: 200, task: task.task.id, attempt: 1 },
        {
          call: 1,
          inputTokens: 200,
          outputTokens: 20,
          costMicros: 400,
          tenant: "default",
          model: "test-model"
        }
      ])
    })
  )

  it.live("is recorded of an answer that broke off, too, as an estimate", () =>
    Effect.gen(function* () {
      const { ask, ledger } = yield* arranged({ pieces: ["A lease is fifteen"], ending: "cut" })
      yield* Effect.flip(ask())
      const [record] = yield* ledger
      expect(record).toMatchObject({ outputTokens: 5, estimated: true })
      expect(record!.inputTokens).toBeGreaterThan(50)
    })
  )

  for (const usage of [
    { input: 12.5, output: 3 },
    { input: -1, output: 3 },
    { input: 1e300, output: 3 }
  ]) {
    it.live(`is an estimate where the provider says that it was ${usage.input} tokens`, () =>
      Effect.gen(function* () {
        const { ask, ledger } = yield* arranged({ pieces: ["Fifteen seconds [1]."], usage })
        const { answer, usage: spent } = yield* ask()
        expect(answer).toBe("Fifteen seconds [1].")
        expect(spent).toMatchObject({ outputTokens: 3 })
        expect(spent!.inputTokens).toBeGreaterThan(50)
        expect(yield* ledger).toMatchObject([
          { inputTokens: spent!.inputTokens, outputTokens: 3, estimated: true }
        ])
      })
    )
  }

  it.live("is nothing where the provider refused", () =>
    Effect.gen(function* () {
      const { ask, ledger } = yield* arranged({ status: 400 })
      yield* Effect.flip(ask())
      expect(yield* ledger).toEqual([])
    })
  )
})

describe("an equal question", () => {
  it.live("is answered from what is kept, and costs nothing", () =>
    Effect.gen(function* () {
      const { ask, asked, ledger } = yield* arranged({ pieces: ["Fifteen ", "seconds [1]."] })
      const first = yield* ask()
      const { recording, task } = recordingTask()
      const second = yield* ask({}, task)
      expect(asked.length).toBe(1)
      expect(first.cached).toBeUndefined()
      expect(second).toEqual({
        ...first,
        cached: true,
        usage: { inputTokens: 0, outputTokens: 0, costMicros: 0, model: "test-model" }
      })
      expect(recording.chunks).toEqual(["Fifteen seconds [1]."])
      expect((yield* ledger).length).toBe(1)
    })
  )

  it.live("is asked again where what was kept cannot be read, or was kept in another way", () =>
    Effect.gen(function* () {
      const { ask, asked, files } = yield* arranged({ pieces: ["Fifteen."] })
      const first = yield* ask()
      for (const text of ['{"answer": "Fif', '{"text": "Fifteen."}']) {
        yield* Files.use(({ listObjects, writeObject }) =>
          Effect.flatMap(
            listObjects("answers/"),
            Effect.forEach((name) => writeObject(name, new TextEncoder().encode(text)))
          )
        ).pipe(Effect.provide(filesIn(files), { local: true }))
        expect(yield* ask()).toEqual(first)
      }
      expect(asked.length).toBe(3)
    })
  )

  it.live("is asked again where it says so, when its time is over, and when anything of it differs", () =>
    Effect.gen(function* () {
      const { ask, asked, leases, wells } = yield* arranged({ pieces: ["Fifteen."] })
      yield* ask({ cache: { ttlMs: 1 } })
      yield* Effect.sleep(2)
      yield* ask({ cache: { ttlMs: 60_000 } })
      yield* ask({ cache: false })
      yield* ask({ instructions: "Be brief." })
      yield* ask({ documents: [leases, wells] })
      yield* ask({ question: `${question} ` })
      expect(asked.length).toBe(6)
      yield* ask()
      expect(asked.length).toBe(6)
    })
  )

  it.live("is not answered by one that was cut off", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* arranged({ pieces: ["A"], finish: "length" }, { pieces: ["All of it."] })
      expect((yield* ask()).stopped).toMatchObject({ by: "length" })
      expect((yield* ask()).answer).toBe("All of it.")
      expect(asked.length).toBe(2)
    })
  )
})

describe("a provider", () => {
  it.live("that says nothing for too long is given up, and its connection closed", () =>
    Effect.gen(function* () {
      const { ask, left } = yield* arranged({ pieces: ["A lease"], ending: "stall" })
      const failed = yield* Effect.flip(ask({}, undefined, { modelStall: Duration.millis(100) }))
      expect(failed).toMatchObject({ _tag: "ProviderUnavailable", reason: "it said nothing for 100ms" })
      yield* Effect.promise(() => left)
    })
  )

  it.live("that says when to come back is left alone until then, at no cost of an attempt", () =>
    Effect.gen(function* () {
      const { ask } = yield* arranged({ status: 429, headers: { "retry-after": "3" } })
      expect(yield* Effect.flip(ask())).toMatchObject({
        name: "RetryAfter",
        afterMs: 3_000,
        counted: false,
        limit: "model"
      })
    })
  )
})

describe("a run that is repeated", () => {
  /** Runs that remember the steps of those before. */
  const remembering = () => {
    const steps = new Map<string, unknown>()
    return (number: number) =>
      recordingTask(() => ({
        attempt: number,
        step: (name, effect) =>
          steps.has(name)
            ? Effect.succeed(steps.get(name) as never)
            : Effect.tap(effect, (result) => Effect.sync(() => steps.set(name, result)))
      }))
  }

  it.live("asks again after an answer that was empty", () =>
    Effect.gen(function* () {
      const { ask, ledger } = yield* arranged({ pieces: [" "] }, { pieces: ["Fifteen seconds [1]."] })
      const attempt = remembering()
      expect(yield* Effect.flip(ask({}, attempt(1).task))).toMatchObject({
        _tag: "ProviderUnavailable",
        reason: "the model gave an empty answer"
      })
      expect(yield* ask({}, attempt(2).task)).toMatchObject({ answer: "Fifteen seconds [1]." })
      expect((yield* ledger).length).toBe(2)
    })
  )

  it.live("asks and calls nothing again that an earlier one was told, and puts it out anew", () =>
    Effect.gen(function* () {
      const { ask, asked, ledger } = yield* arranged(
        { pieces: ["I look. "], ...searching("lease") },
        { status: 500 },
        { pieces: ["Fifteen seconds [1]."] }
      )
      const attempt = remembering()
      yield* Effect.flip(ask({ tools: ["search_documents"] }, attempt(1).task))
      const { recording, task } = attempt(2)
      const output = yield* ask({ tools: ["search_documents"] }, task)
      expect(asked.length).toBe(3)
      // A passage that the model has keeps its number.
      expect(asked[2]!.messages.at(-1)!.content).toContain('"number":1')
      expect(output).toMatchObject({
        answer: "I look. Fifteen seconds [1].",
        toolCalls: 1,
        citations: [{ title: "Leases" }]
      })
      expect(recording.chunks).toMatchObject([
        "I look. ",
        { type: "tool-input-available" },
        { type: "tool-output-available" },
        "Fifteen seconds [1]."
      ])
      expect(new Set((yield* ledger).map(({ attempt }) => attempt))).toEqual(new Set([1, 2]))
    })
  )
})
