import { describe, expect } from "bun:test"
import { Effect, Schema } from "effect"
import { partitionKeys } from "../../runtime/keys.ts"
import { Schedules, schedulesMax, schedulesOfAllMax, schedulesPartition } from "../../runtime/schedules.ts"
import { Store } from "../../runtime/store.ts"
import { aTask } from "../support/tasks.ts"
import { TestTime } from "../support/time.ts"
import { schedulesSuite } from "../suite/schedules.ts"
import { answerAlike } from "../support/alike.ts"
import { it } from "../support/effect.ts"
import { aNamespace } from "../support/redis.ts"
import { memorySchedules, redisSchedules } from "../support/schedules.ts"
import { aClient, partition } from "../support/stores.ts"

schedulesSuite("memory", memorySchedules)
schedulesSuite("Redis", redisSchedules)

describe("schedules in Redis", () => {
  it.live("hold no key once all of them were deleted", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const { change } = yield* Schedules
      const client = yield* aClient
      const keys = Effect.promise(async () => (await client.keys(`${namespace}:*`)).toSorted())
      const { base } = partitionKeys(namespace, schedulesPartition)
      const before = yield* keys
      const nothing = { slot: undefined, notes: [], submits: [] }
      yield* change({
        ...nothing,
        id: "a",
        from: undefined,
        to: { version: "1", text: "", lookAt: 5 },
        notes: ["n"]
      })
      expect((yield* keys).filter((key) => !before.includes(key))).toEqual(
        ["bell", "scheduleIds", "scheduleTimes", "schedules", "slots:a"].map((key) => base + key)
      )

      yield* change({ ...nothing, id: "a", from: "1", to: undefined })

      expect(yield* keys).toEqual(before)
    }).pipe(Effect.provide(redisSchedules({ namespace })))
  })

  it.live("are no more in all than there may be", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const { change } = yield* Schedules
      const client = yield* aClient
      const { schedules } = partitionKeys(namespace, schedulesPartition)
      const there = Array.from({ length: schedulesOfAllMax }, (_, at) => [`~t${at}/s`, "1 text"]).flat()
      yield* Effect.promise(() => client.hset(schedules, ...there))

      expect(yield* change(making("new"))).toBe("full")
      expect(yield* change({ ...making("~t7/s"), from: "1" })).toBe("changed")
    }).pipe(Effect.provide(redisSchedules({ namespace })))
  })
})

const making = (id: string) => ({
  id,
  from: undefined,
  to: { version: "2", text: "", lookAt: undefined },
  slot: undefined,
  notes: [],
  submits: []
})

const stores: Readonly<Record<string, () => ReturnType<typeof memorySchedules>>> = {
  memory: memorySchedules,
  Redis: () => redisSchedules({ namespace: aNamespace() })
}
describe("schedules", () => {
  for (const [kind, layer] of Object.entries(stores)) {
    it.live(`of one tenant leave room for those of others, in ${kind}`, () =>
      Effect.gen(function* () {
        const { change } = yield* Schedules
        for (const owner of ["~acme/", ""]) {
          yield* Effect.forEach(
            Array.from({ length: schedulesMax }, (_, at) => making(`${owner}s${at}`)),
            change,
            { concurrency: 500 }
          )
        }
        const answers = yield* Effect.forEach(["~acme/new", "new", "~acm/new", "~acme2/new"], (id) =>
          change(making(id))
        )
        expect(answers).toEqual(["full", "full", "changed", "changed"])
        expect(yield* change({ ...making("~acme/s7"), from: "2", to: undefined })).toBe("changed")
        expect(yield* change(making("~acme/new"))).toBe("changed")
      }).pipe(Effect.provide(layer()))
    )
  }
})

// ---------------------------------------------------------------------------------------------------------
// The two stores, held to each other
// ---------------------------------------------------------------------------------------------------------

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Change = Schema.Struct({
  do: Schema.Literal("change"),
  /** Both in one call, or one. */
  ids: Schema.Literals(["a", "b", "ab"]),
  /** Whether it names the version that is there. */
  stale: Schema.Literals([false, false, false, true]),
  to: Schema.Literals(["another", "another", "another", "the same", "none"]),
  lookAt: Schema.Union([whole(0, 60), Schema.Undefined]),
  slot: Schema.Union([Schema.Undefined, Schema.Undefined, whole(0, 60)]),
  notes: Schema.Union([whole(0, 3), whole(0, 60)]),
  submits: whole(0, 2)
})

const Command = Schema.Union([
  Change,
  Change,
  Change,
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(0, 20) }),
  Schema.Struct({ do: Schema.Literal("setBack"), ms: whole(0, 20) })
])

/** Versions follow from what there is, mostly, so that most changes are made. */
const runOn = Effect.fnUntraced(function* (commands: ReadonlyArray<typeof Command.Type>, run: number) {
  const schedules = yield* Schedules
  const store = yield* Store
  const time = yield* TestTime
  const base = yield* time.now
  const seen: Array<unknown> = []
  const named = (id: string) => `${run}-${id}`
  const changeOf = Effect.fnUntraced(function* (command: typeof Change.Type, id: string, at: number) {
    const there = (yield* schedules.read(id)).schedule?.version
    const { lookAt, slot } = command
    return {
      id,
      from: command.stale ? "other" : there,
      to:
        command.to === "none"
          ? undefined
          : {
              version: command.to === "the same" ? (there ?? "first") : `${run}-${at}`,
              text: `text ${at}`,
              lookAt: lookAt === undefined ? undefined : base + lookAt
            },
      slot: slot === undefined ? undefined : base + slot,
      notes: Array.from({ length: command.notes }, (_, note) => `${at}.${note}`),
      submits: Array.from({ length: command.to === "none" ? 0 : command.submits }, (_, task) => ({
        partition,
        task: owedTask(run, at, task)
      }))
    }
  })
  for (const [at, command] of commands.entries()) {
    if (command.do === "change") {
      const changes = yield* Effect.forEach(command.ids.split(""), (id) => changeOf(command, named(id), at))
      seen.push(
        changes.length === 1 ? yield* schedules.change(changes[0]!) : yield* schedules.changeAll(changes)
      )
    } else yield* time[command.do](command.ms)
    for (const id of ["a", "b"]) {
      const { notes, now, schedule } = yield* schedules.read(named(id))
      seen.push(now - base, schedule, notes)
    }
    const { next, now, outbox, schedules: due } = yield* schedules.due(0)
    seen.push(next === undefined ? next : next - base, now - base, outbox, due)
    seen.push((yield* schedules.list(`${run}-`, 3)).schedules)
  }
  const owed = yield* store.outbox(schedulesPartition, 1_000)
  yield* store.drop(schedulesPartition, owed)
  for (const id of ["a", "b"].map(named)) {
    const { schedule } = yield* schedules.read(id)
    yield* schedules.change({
      ...{ id, from: schedule?.version, to: undefined },
      ...{ slot: undefined, notes: [], submits: [] }
    })
  }
  return { seen, owed, left: (yield* schedules.due(0)).schedules }
})

const owedTasks = new Map<string, ReturnType<typeof aTask>>()
/** The same for both stores. */
const owedTask = (...name: ReadonlyArray<number>) => {
  const { ulid: _, ...task } = owedTasks.get(name.join()) ?? aTask()
  owedTasks.set(name.join(), { ulid: _, ...task })
  return task
}

describe("memory and Redis", () => {
  it.live(
    "answer alike in random sequences of changes of schedules",
    () =>
      answerAlike({
        stores: [memorySchedules(), redisSchedules()],
        command: Command,
        length: 30,
        runs: 100,
        runOn
      }),
    120_000
  )
})
