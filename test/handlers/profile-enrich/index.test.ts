import { describe, expect } from "bun:test"
import { Effect, Result } from "effect"
import { profileEnrich } from "../../../handlers/profile-enrich/index.ts"
import { Files } from "../../../runtime/files.ts"
import { EventRefused } from "../../../runtime/handler.ts"
import type { InputOf } from "../../../runtime/named.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"

const asOf = "2030-06-28T12:00:00Z"

const ada = {
  id: "ada",
  messages: [
    {
      at: "2030-06-20T09:00:00Z",
      text: "The delivery of my coffee machine was terribly late. I am very disappointed and angry!",
      channel: "email"
    },
    {
      at: "2030-06-25T09:30:00Z",
      text: "Your support is wonderful, I love the new coffee machine!",
      channel: "chat"
    }
  ],
  events: [{ at: "2030-06-27T18:00:00Z", type: "purchase", value: 49.5, channel: "web" }]
}

const enrich = (
  input: InputOf<typeof profileEnrich>,
  files = "/tmp/none",
  over?: Parameters<typeof recordingTask>[0]
) => {
  const { recording, task } = recordingTask(over)
  return Effect.map(
    Effect.provide(runHandler(profileEnrich, input, task), settings({ files })),
    (output) => ({ ...output, recording })
  )
}

const faults = (input: unknown) => {
  const checked = profileEnrich.readInput(input)
  return checked instanceof Promise || Result.isSuccess(checked) ? [] : checked.failure.faults
}

describe("a profile", () => {
  it.live("tells what a customer's messages and events say, and why it scores them so", () =>
    Effect.gen(function* () {
      const { profiles, recording } = yield* enrich({ asOf, customers: [ada, { id: "nobody" }] })
      const [first, second] = profiles
      expect(first).toMatchObject({
        id: "ada",
        sentiment: { positive: 1, negative: 1, neutral: 0 },
        behaviour: {
          count: 3,
          recencyDays: 0.75,
          types: { message: 2, purchase: 1 },
          channels: { email: 0.333, chat: 0.333, web: 0.333 },
          value: 49.5,
          trend: "rising"
        }
      })
      expect(first!.topics[0]).toMatchObject({ topic: "coffee machine", messages: 2 })
      const { contributions, score } = first!.propensity
      expect(contributions[0]!.feature).toBe("recency")
      const z = contributions.reduce((sum, { contribution }) => sum + contribution, first!.propensity.bias)
      expect(score).toBeCloseTo(1 / (1 + Math.exp(-z)), 3)
      expect(second).toMatchObject({ id: "nobody", topics: [], behaviour: { count: 0 } })
      expect(second!.propensity.score).toBeLessThan(score)
      expect(recording.chunks).toEqual([...profiles])
      expect(recording.progress.map(({ fraction }) => fraction)).toEqual([0.5, 1])
    })
  )

  it.live("says the same again, and does not know what was later", () =>
    Effect.gen(function* () {
      const { profiles } = yield* enrich({ asOf: "2030-06-21T00:00:00Z", customers: [ada] })
      expect(profiles[0]).toMatchObject({ sentiment: { positive: 0, negative: 1 }, behaviour: { count: 1 } })
      expect((yield* enrich({ asOf: "2030-06-21T00:00:00Z", customers: [ada] })).profiles).toEqual(profiles)
    })
  )

  it.live("reads a time that names no zone as one of UTC, wherever the worker runs", () =>
    Effect.gen(function* () {
      const zone = process.env["TZ"]
      process.env["TZ"] = "America/New_York"
      yield* Effect.addFinalizer(() => Effect.sync(() => void (process.env["TZ"] = zone ?? "UTC")))
      const events = ["2030-06-25T09:30:00", "2030-06-25 09:30"].map((at) => ({ at, type: "visit" }))
      const { profiles } = yield* enrich({ asOf, customers: [{ id: "ada", events }] })
      expect(profiles[0]!.behaviour.firstAt).toBe("2030-06-25T09:30:00.000Z")
      expect(profiles[0]!.behaviour.hours[9]).toBe(2)
    })
  )

  it.live("is in the output although it is too large for who follows", () =>
    Effect.gen(function* () {
      const refusing = () => ({ emit: () => Effect.fail(new EventRefused({ reason: "too large" })) })
      const { profiles } = yield* enrich({ asOf, customers: [ada] }, undefined, refusing)
      expect(profiles).toMatchObject([{ id: "ada" }])
    })
  )

  it.live("is refused, with what to do, when all of them are more than an output holds", () =>
    Effect.gen(function* () {
      const events = Array.from({ length: 10_000 }, (_, at) => ({
        at: asOf,
        type: `${at}${"t".repeat(120)}`
      }))
      const customers = Array.from({ length: 8 }, (_, at) => ({ id: String(at), events }))
      expect(yield* Effect.flip(enrich({ asOf, customers }))).toMatchObject({
        name: "TooManyProfiles",
        message: expect.stringContaining("of the first 7 of 8 customers")
      })
    })
  )

  it.live("weighs as it is told", () =>
    Effect.gen(function* () {
      const weights = { bias: 0, recency: 0, "event:purchase": 10 }
      const [profile] = (yield* enrich({ asOf, customers: [ada], weights })).profiles
      expect(profile!.propensity.contributions[0]).toMatchObject({ feature: "event:purchase", weight: 10 })
      expect(profile!.propensity.score).toBeGreaterThan(0.99)
    })
  )

  it.live("is made of many customers in an upload, a line each", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const lines = Array.from({ length: 100 }, (_, at) => JSON.stringify({ ...ada, id: `c${at}` }))
      const upload = (text: string) =>
        Files.use((all) => all.upload(new Blob([text]).stream())).pipe(
          Effect.provide(filesIn(files), { local: true })
        )
      const { id } = yield* upload(lines.join("\n"))
      const { profiles } = yield* enrich({ asOf, file: id }, files)
      expect(profiles.length).toBe(100)
      for (const [line, told] of [
        ['{"id":"a","messages":[{"text":"no time"}]}', "/0/messages/0/at"],
        ['{"id":"a","mesages":[]}', "/0/mesages"]
      ] as const) {
        const bad = yield* upload(line)
        expect(yield* Effect.flip(enrich({ file: bad.id }, files))).toMatchObject({
          name: "RowsInvalid",
          message: expect.stringContaining(told)
        })
      }
    })
  )

  it.live("is refused for what it cannot be made of", () =>
    Effect.sync(() => {
      expect(faults({})[0]!.message).toContain("exactly one")
      expect(faults({ customers: [] })[0]).toMatchObject({ path: "/customers" })
      expect(faults({ customers: [{ id: "a" }, { id: "a" }] })[0]!.message).toContain("comes twice")
      expect(faults({ customers: [{ id: "a", events: [{ at: "soon", type: "x" }] }] })[0]!.message).toContain(
        "not a time"
      )
      for (const at of ["2021-02-30", "2021-02-30T09:00:00Z", "30 Feb 2021", "2021-13-01", 9e15]) {
        expect(faults({ customers: [ada], asOf: at }), String(at)).toHaveLength(1)
      }
      for (const at of ["2020-02-29", "2020-02-29T23:30:00.5-05:00", "2020-02-29 23:30:00Z", -1]) {
        expect(faults({ customers: [ada], asOf: at }), String(at)).toEqual([])
      }
      const spent = { at: asOf, type: "purchase", value: 1e308 }
      expect(faults({ customers: [{ id: "a", events: [spent] }] })[0]).toMatchObject({
        path: "/customers/0/events/0/value"
      })
      expect(faults({ customers: [ada], weights: { value: 1e308 } })[0]).toMatchObject({
        path: "/weights/value"
      })
      expect(faults({ customers: [{ id: "a", mesages: [] }] })[0]).toMatchObject({
        path: "/customers/0/mesages"
      })
      expect(faults({ customers: [ada], timeZone: "Mars/One" })[0]).toMatchObject({ path: "/timeZone" })
      expect(faults({ customers: [ada], weights: { luck: 1 } })[0]!.message).toContain('"luck"')
      expect(faults({ customers: [ada] })).toEqual([])
    })
  )
})
