import { describe, expect } from "bun:test"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { UsageLog, type UsageRecord } from "../../../handlers/usage/usage.ts"
import { Files, FilesError } from "../../../runtime/files.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"

const call = (over: Partial<UsageRecord> = {}): Omit<UsageRecord, "at"> => ({
  tenant: "default",
  handler: "agent.query",
  model: "m",
  inputTokens: 10,
  outputTokens: 2,
  task: "agents.0.01JD3QK5T8Y6M2N4P7R9S1V3WX",
  attempt: 1,
  call: 0,
  ...over
})

const ever = { from: 0, to: Number.MAX_SAFE_INTEGER }

/** A process of its own over the folder: what another one wrote it knows from the disk alone. */
const process = <A, E>(folder: string, use: Effect.Effect<A, E, UsageLog | Files>) =>
  Effect.provide(use, UsageLog.layer.pipe(Layer.provideMerge(filesIn(folder))), { local: true })

const readAll = UsageLog.use(({ read }) => Stream.runCollect(read(ever)))

describe("the log of usage", () => {
  it.effect("keeps what was recorded for whoever reads it later", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* TestClock.setTime(Date.UTC(2030, 0, 1, 9, 30))
      yield* process(
        folder,
        UsageLog.use(({ record }) => record(call({ costMicros: 7 })))
      )
      expect(yield* process(folder, readAll)).toEqual([
        { at: Date.UTC(2030, 0, 1, 9, 30), ...call({ costMicros: 7 }) }
      ])
    })
  )

  it.effect("is read although there is a line in it that nobody can read", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const recorded = UsageLog.use(({ record }) => record(call()))
      yield* process(folder, recorded)
      const lines = [JSON.stringify({ at: 0, ...call({ call: 1, inputTokens: -1 }) }), "half of a li", ""]
      yield* process(
        folder,
        Files.use(({ writeObject }) =>
          writeObject("usage/1970-01-01t00/another-0.ndjson", new TextEncoder().encode(lines.join("\n")))
        )
      )
      expect(yield* process(folder, readAll)).toMatchObject([{ call: 0, inputTokens: 10 }])
    })
  )

  it.effect("counts a call once, however often and wherever it is said", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const twice = UsageLog.use(({ record }) => Effect.andThen(record(call()), record(call())))
      yield* process(folder, twice)
      yield* process(folder, twice)
      yield* process(
        folder,
        UsageLog.use(({ record }) => Effect.andThen(record(call({ attempt: 2 })), record(call({ call: 1 }))))
      )
      const records = yield* process(folder, readAll)
      expect(records.map(({ attempt, call }) => `${attempt}-${call}`).toSorted()).toEqual([
        "1-0",
        "1-1",
        "2-0"
      ])
    })
  )

  it.effect("loses none of many that are recorded at once by two writers, and gathers their writes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const many = (attempt: number) =>
        process(
          folder,
          UsageLog.use(({ record }) =>
            Effect.forEach(Array.from({ length: 700 }), (_, at) => record(call({ attempt, call: at })), {
              concurrency: "unbounded",
              discard: true
            })
          )
        )
      yield* Effect.all([many(1), many(2)], { concurrency: 2 })
      expect((yield* process(folder, readAll)).length).toBe(1_400)
      const names = yield* process(
        folder,
        Files.use(({ listObjects }) => listObjects("usage/"))
      )
      expect(names.length).toBeLessThanOrEqual(6)
    })
  )

  it.effect("adds what comes one by one to the segment of its hour", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const names = yield* process(
        folder,
        Effect.gen(function* () {
          const { record } = yield* UsageLog
          for (let at = 0; at < 10; at++) yield* record(call({ call: at }))
          return yield* Files.use(({ listObjects }) => listObjects("usage/"))
        })
      )
      expect(names.length).toBe(1)
      expect((yield* process(folder, readAll)).length).toBe(10)
    })
  )

  it.effect("tells which hours have records, and reads a part of the time", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const nine = Date.UTC(2030, 0, 1, 9)
      const eleven = Date.UTC(2030, 0, 1, 11)
      const said = UsageLog.use(({ hours, read, record }) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(nine + 1_000)
          yield* record(call())
          yield* TestClock.setTime(nine + 2_000)
          yield* record(call({ call: 1 }))
          yield* TestClock.setTime(eleven)
          yield* record(call({ call: 2 }))
          return {
            hours: yield* hours(ever),
            some: yield* Stream.runCollect(read({ from: nine + 2_000, to: eleven }))
          }
        })
      )
      const { hours, some } = yield* process(folder, said)
      expect(hours).toEqual([nine, eleven])
      expect(some.map(({ call }) => call)).toEqual([1])
    })
  )

  it.effect("shows a tenant its own alone, and the tenant default everybody's", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* process(
        folder,
        UsageLog.use(({ record }) =>
          Effect.andThen(
            Effect.provideService(record(call({ tenant: "acme" })), Tenant, "acme"),
            record(call({ call: 1 }))
          )
        )
      )
      const seen = (reader: string, tenant?: string) =>
        process(
          folder,
          UsageLog.use(({ read }) =>
            Stream.runCollect(read({ ...ever, ...(tenant === undefined ? {} : { tenant }) }))
          ).pipe(Effect.provideService(Tenant, reader))
        ).pipe(Effect.map((records) => records.map((record) => record.tenant).toSorted()))
      expect(yield* seen("default")).toEqual(["acme", "default"])
      expect(yield* seen("default", "acme")).toEqual(["acme"])
      expect(yield* seen("acme")).toEqual(["acme"])
      expect(yield* seen("acme", "default")).toEqual([])
    })
  )

  it.effect("says when a record could not be kept, and keeps it when it is said again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      let full = true
      const failing = Layer.effect(
        Files,
        Effect.map(Files, (files) =>
          Files.of({
            ...files,
            writeObject: (name, bytes) =>
              full
                ? Effect.fail(new FilesError({ operation: "Files.writeObject", cause: new Error("full") }))
                : files.writeObject(name, bytes)
          })
        )
      ).pipe(Layer.provide(filesIn(folder)))
      const said = UsageLog.use(({ record }) =>
        Effect.gen(function* () {
          const failed = yield* Effect.flip(record(call()))
          full = false
          yield* record(call())
          return failed
        })
      )
      const failed = yield* Effect.provide(said, UsageLog.layer.pipe(Layer.provide(failing)))
      expect(failed).toMatchObject({ _tag: "FilesError" })
      expect((yield* process(folder, readAll)).length).toBe(1)
    })
  )
})
