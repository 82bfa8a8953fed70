/**
 * The pipeline on a folder of real documents, beside the same libraries in a plain loop: what the engine costs, and what a
 * second worker brings.
 */
import { Effect } from "effect"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { connect } from "troupe"
import { documentsFolder } from "../handlers/documents-folder/index.ts"
import { makeCorpus } from "../scripts/corpus.ts"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { type Model, models, type Took } from "./pipeline/measured.ts"
import { BenchFailed } from "./processes.ts"
import type { System } from "./systems/system.ts"
import { troupe } from "./systems/troupe.ts"

const documentsOf = (quick: boolean) => (quick ? 20 : 200)

/** So many are processed before anything is measured. */
const warmDocuments = 10

const speed: Metric = { name: "documents", unit: "/s", better: "more" }
const cpu: Metric = { name: "CPU", unit: "ms/document", better: "less" }

const caseOf = (model: Model, workers: 1 | 2) =>
  `${model === "local" ? "local model" : "hashes"}, ${workers === 1 ? "one worker on one core" : "two workers"}`

/** The engine takes at most so much of what the loop takes. */
const overheadMax = 0.05

/** No system: it keeps no tasks. Its process is started by the bench itself. */
const loop: System = {
  name: "loop",
  share: 1,
  connect: () => Promise.reject(new Error("a loop is not asked")),
  unended: () => Promise.resolve(0)
}

/** A command on one core of this machine, where that can be said. */
const onOneCore = (command: ReadonlyArray<string>) =>
  Bun.which("taskset") === null ? [...command] : ["taskset", "-c", "0", ...command]

interface Corpus {
  readonly folder: string
  readonly warm: string
  readonly count: number
}

/** Made once for all rounds; both sides read the same files. */
let corpus: Promise<Corpus> | undefined
const corpusOf = async (quick: boolean): Promise<Corpus> => {
  const root = await mkdtemp(path.join(tmpdir(), "troupe-corpus-"))
  process.on("exit", () => Bun.spawnSync(["rm", "-rf", root]))
  const folder = path.join(root, "corpus")
  const warm = path.join(root, "warm")
  const made = await makeCorpus(folder, documentsOf(quick))
  // Other files of the same kinds; what both have is embedded once more all the same, as hashes are not kept.
  await makeCorpus(warm, warmDocuments)
  return { folder, warm, count: made.length }
}

const withFiles = async <A>(use: (files: string) => Promise<A>): Promise<A> => {
  const files = await mkdtemp(path.join(tmpdir(), "troupe-bench-"))
  try {
    await mkdir(files, { recursive: true })
    return await use(files)
  } finally {
    await rm(files, { recursive: true, force: true })
  }
}

const runLoop = (of: Corpus, model: Model): Promise<Took> =>
  withFiles(async (files) => {
    const script = path.join(import.meta.dir, "pipeline/loop.ts")
    const child = Bun.spawn(onOneCore([process.execPath, script, of.folder, of.warm, files, model]), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit"
    })
    const text = await new Response(child.stdout).text()
    if ((await child.exited) !== 0) throw new Error("the loop failed")
    return JSON.parse(text) as Took
  })

const startWorker = async (args: ReadonlyArray<string>, pinned: boolean) => {
  const script = path.join(import.meta.dir, "pipeline/worker.ts")
  const command = [process.execPath, script, ...args]
  let heard = (_: { readonly cpuMicros?: number }) => {}
  const ready = Promise.withResolvers<void>()
  heard = () => ready.resolve()
  const child = Bun.spawn(pinned ? onOneCore(command) : command, {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    ipc: (message: { readonly cpuMicros?: number }) => heard(message)
  })
  void child.exited.then(() => ready.reject(new Error("a worker ended before its work")))
  await ready.promise
  return {
    cpuMicros: () =>
      new Promise<number>((resolve) => {
        heard = ({ cpuMicros = 0 }) => resolve(cpuMicros)
        child.send("usage")
      }),
    stop: async () => {
      child.kill("SIGKILL")
      await child.exited
    }
  }
}

const runPipeline = (of: Corpus, redisUrl: string, model: Model, workers: 1 | 2): Promise<Took> =>
  withFiles(async (files) => {
    const args = [redisUrl, files, path.dirname(of.folder)]
    const started = await Promise.all(Array.from({ length: workers }, () => startWorker(args, workers === 1)))
    const client = await connect({ redisUrl, handlers: [documentsFolder] })
    try {
      const index = { collection: "bench", model }
      const process = async (folder: string) => {
        const task = await client.submit(documentsFolder, { path: folder, index })
        return task.result()
      }
      await process(of.warm)
      const usage = async () =>
        (await Promise.all(started.map(({ cpuMicros }) => cpuMicros()))).reduce((sum, each) => sum + each, 0)
      const before = await usage()
      const start = performance.now()
      const { processed, results } = await process(of.folder)
      const seconds = (performance.now() - start) / 1_000
      if (processed !== of.count) throw new Error(`${processed} of ${of.count} documents were processed`)
      const chunks = results.reduce((sum, each) => sum + ("chunks" in each ? each.chunks : 0), 0)
      return { seconds, cpuMicros: (await usage()) - before, chunks }
    } finally {
      await client.close()
      await Promise.all(started.map(({ stop }) => stop()))
    }
  })

const measuredOf = (name: string, { count }: Corpus, { cpuMicros, seconds }: Took): Array<Measured> => [
  { case: name, metric: speed, value: count / seconds },
  { case: name, metric: cpu, value: cpuMicros / 1_000 / count }
]

const round = async ({ quick, redis, system }: Stage): Promise<Array<Measured>> => {
  const of = await (corpus ??= corpusOf(quick))
  const measured: Array<Measured> = []
  for (const model of models) {
    const looped = system === loop ? await runLoop(of, model) : undefined
    for (const workers of [1, 2] as const) {
      const took = looped ?? (await runPipeline(of, redis.url, model, workers))
      measured.push(...measuredOf(caseOf(model, workers), of, took))
      await Effect.runPromise(redis.flush)
    }
  }
  return measured
}

export const pipeline: Bench = {
  name: "pipeline",
  says: "a folder of real documents through the handlers, beside the same libraries in a plain loop",
  about: (quick) => [
    `${documentsOf(quick)} documents made from this machine's packages (PDF, DOCX, HTML, Markdown, text): text, chunks, keywords, vectors,`,
    "PGlite. The loop does the same with the same functions, one document after the other, and keeps no task.",
    "The loop and the one worker have one core each; CPU is that of the processes that do the work, PGlite's and Redis's aside."
  ],
  systems: [troupe, loop],
  rounds: () => 1,
  round: (stage) =>
    Effect.tryPromise({
      try: () => round(stage),
      catch: (cause) => new BenchFailed({ reason: cause instanceof Error ? cause.message : String(cause) })
    }),
  bars: [
    {
      says: "CPU of a worker is less than 5 % over the loop's, local model",
      ...{ case: caseOf("local", 1), metric: cpu, vs: "loop" },
      wanted: { atLeast: 1 / (1 + overheadMax) }
    },
    {
      says: "two workers are faster than the loop, local model",
      ...{ case: caseOf("local", 2), metric: speed, vs: "loop" },
      wanted: { atLeast: 1 }
    }
  ]
}
