/** That many processes share a folder of PGlite, which bears one, whoever dies. */
import { beforeAll, describe, expect } from "bun:test"
import { Effect, Schedule } from "effect"
import * as path from "node:path"
import { exitHeld } from "../../../handlers/vectors/keeper-exit.ts"
import { pgliteDatabase } from "../../../handlers/vectors/pglite.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { pgliteIn, sharedPglite } from "../../support/pglite.ts"

const keeperProgram = path.resolve(import.meta.dir, "../../../handlers/vectors/keeper.ts")
const writerProgram = path.resolve(import.meta.dir, "../../support/vector-writer.ts")

const spawn = (...words: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Bun.spawn([process.execPath, ...words], { stdin: "pipe", stdout: "pipe", stderr: "ignore" })
    ),
    (child) => Effect.promise(async () => (child.kill("SIGKILL"), void (await child.exited)))
  )

/** A process that writes; `acknowledged` holds what was said to be written, and `more` waits for so many more. */
const writer = Effect.fnUntraced(function* (folder: string, name: string) {
  const child = yield* spawn(writerProgram, folder, name)
  const acknowledged: Array<string> = []
  const watching = new Set<() => void>()
  void (async () => {
    let rest = ""
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n")
      rest = lines.pop()!
      acknowledged.push(...lines)
      for (const look of watching) look()
    }
  })()
  const more = (count: number) =>
    Effect.callback<void>((resume) => {
      const until = acknowledged.length + count
      const look = () => {
        if (acknowledged.length < until) return
        watching.delete(look)
        resume(Effect.void)
      }
      watching.add(look)
    })
  return { child, acknowledged, more }
})

/** The process that keeps a folder, and whose child it is, once there is one that those which are `over` were not. */
const keeperOf = (folder: string, ...over: ReadonlyArray<number>) =>
  Effect.promise(async () => {
    const lines = (await Bun.$`ps -axo pid=,ppid=,args=`.text()).split("\n")
    return lines
      .filter((line) => line.includes(`keeper.ts ${folder} `))
      .map((line) => line.trim().split(/\s+/, 2).map(Number))
      .map(([pid, parent]) => ({ pid: pid!, parent: parent! }))
      .find(({ pid }) => !over.includes(pid))
  }).pipe(
    // What was acknowledged may have been so by the one before.
    Effect.repeat({ until: (found) => found !== undefined, schedule: Schedule.spaced("50 millis") }),
    Effect.map((found) => found!)
  )

const setUpMs = 120_000

describe("a folder of PGlite", () => {
  beforeAll(() => Effect.runPromise(Effect.scoped(Effect.flatMap(temporaryFolder, pgliteIn))), setUpMs)

  it.live(
    "is written by many processes at once, and loses nothing when its keeper or the owner is killed",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* pgliteIn(folder)
        const writers = [yield* writer(folder, "a"), yield* writer(folder, "b")]
        const all = (count: number, of = writers) =>
          Effect.forEach(of, ({ more }) => more(count), { concurrency: "unbounded", discard: true })
        yield* all(20)

        // The keeper alone: its owner, or the other one, starts another.
        const first = yield* keeperOf(folder)
        expect(writers.map(({ child }) => child.pid)).toContain(first.parent)
        process.kill(first.pid, "SIGKILL")
        yield* all(20)
        const second = yield* keeperOf(folder, first.pid)

        // The owner: its keeper goes with it, and the other process takes over.
        const owner = writers.find(({ child }) => child.pid === second.parent)!
        const others = writers.filter((one) => one !== owner)
        owner.child.kill("SIGKILL")
        const third = yield* keeperOf(folder, first.pid, second.pid)
        yield* all(20, others)
        expect(third.parent).toBe(others[0]!.child.pid)

        // One of them goes on writing while this looks.
        const acknowledged = writers.flatMap(({ acknowledged }) => acknowledged)
        const { transaction } = yield* pgliteDatabase(folder)
        const [rows] = yield* transaction([{ text: "select id from written", values: [] }])
        const there = new Set(rows!.map(({ id }) => id as string))
        expect(acknowledged.length).toBeGreaterThanOrEqual(100)
        expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
      }),
    setUpMs
  )

  it.live(
    "has one keeper: another one goes as it finds the folder kept, and leaves it be",
    () =>
      Effect.gen(function* () {
        const { database, folder } = yield* sharedPglite
        yield* database.transaction([{ text: "create temporary table kept (n int)", values: [] }])
        const second = yield* spawn(keeperProgram, folder, path.join(folder, "other.sock"))
        expect(yield* Effect.promise(() => second.exited)).toBe(exitHeld)
        const [, rows] = yield* database.transaction([
          { text: "insert into kept values (1)", values: [] },
          { text: "select n from kept", values: [] }
        ])
        expect(rows).toEqual([{ n: 1 }])
      }),
    setUpMs
  )

  it.live(
    "counts a list of statements together or not at all, and says why not",
    () =>
      Effect.gen(function* () {
        const { transaction } = (yield* sharedPglite).database
        yield* transaction([{ text: "create table once (n int primary key)", values: [] }])
        const insert = { text: "insert into once values ($1)", values: [1] }
        const refused = yield* Effect.flip(transaction([insert, insert]))
        expect(refused).toMatchObject({ _tag: "SqlRefused", code: "23505" })
        expect(yield* transaction([{ text: "select * from once", values: [] }])).toEqual([[]])
      }),
    setUpMs
  )
})
