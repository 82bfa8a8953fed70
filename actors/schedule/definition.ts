/**
 * A schedule as callers describe it: the task, when it is due, and what is done when a slot was missed or an earlier run
 * has not ended. Whatever does not fit is told all at once, each fault with its place.
 */
import { Duration, Result, Schema } from "effect"
import { Fault } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"
import { aheadMaxMs, NewTaskJson } from "../dispatch/new-task.ts"
import { millisOf, Time } from "../operate/fields.ts"
import { missedPolicies, type MissedPolicy, overlapPolicies, type OverlapPolicy } from "./due.ts"
import { everyMinMs, faultsOfCron, type Rule, slotAfter } from "./rule.ts"

/** The schedule or the task it would submit does not fit. Nothing was stored; `faults` says what to mend, and where. */
export class ScheduleRefused extends Schema.TaggedError<ScheduleRefused>()("ScheduleRefused", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path === "" ? "/" : path}: ${message}`).join("; ")
  }
}

/** How much of a schedule is kept, in characters of JSON: it is read whenever it is due. */
export const scheduleMax = 64 * 1024

/** The longest that a task is held back after its slot, in milliseconds. */
const jitterMaxMs = Duration.toMillis(Duration.days(1))

/** A schedule's id: 1 to 128 of `a-z A-Z 0-9 _ . -`, the first not a sign. */
export const ScheduleId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/u, {
    message: "a schedule is called by 1 to 128 of a-z A-Z 0-9 _ . -, the first a letter or a digit"
  })
)

const { deadlineMs, expiresMs, input, key, name, priority, queue, retry, tags, timeoutMs } =
  NewTaskJson.fields

/** Options of a submit that a schedule may give its tasks. What keeps tasks apart is left out: slots do that. */
const task = { name, input, queue, priority, key, timeoutMs, expiresMs, deadlineMs, retry, tags }
const ScheduledTask = Schema.Struct(task)
export type ScheduledTask = typeof ScheduledTask.Type

export const NewScheduleJson = Schema.Struct({
  /** Default: one is made. */
  id: Schema.optionalKey(ScheduleId),
  ...task,
  /** Five fields, or six with seconds first; on the clock of `timeZone`, by default UTC. */
  cron: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(256))),
  timeZone: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(64))),
  everyMs: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: everyMinMs, maximum: aheadMaxMs }))
  ),
  /** Once, at a time in ISO 8601. */
  at: Schema.optionalKey(Time),
  /** No slot before this time; `everyMs` counts from it. Default: when it is created. */
  startAt: Schema.optionalKey(Time),
  missed: Schema.optionalKey(Schema.Literals(missedPolicies)),
  overlap: Schema.optionalKey(Schema.Literals(overlapPolicies)),
  /** Each task is held back by a part of this, which its slot decides. */
  jitterMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: jitterMaxMs }))),
  paused: Schema.optionalKey(Schema.Boolean)
})
export type NewScheduleJson = typeof NewScheduleJson.Type

const readFields = readerOf(NewScheduleJson, "option")

/** What a schedule is, checked. Times are Unix milliseconds. */
export interface Definition {
  readonly task: ScheduledTask
  /** Whose it is, and its tasks; absent for the tenant `default`. */
  readonly tenant?: string
  readonly cron?: string
  readonly timeZone?: string
  readonly everyMs?: number
  readonly at?: number
  readonly startAt?: number
  readonly missed: MissedPolicy
  readonly overlap: OverlapPolicy
  readonly jitterMs: number
}

/** Its rule; an interval without a start counts from `since`. */
export const ruleOf = ({ at, cron, everyMs, startAt, timeZone = "UTC" }: Definition, since: number): Rule => {
  if (cron !== undefined) return { kind: "cron", cron, timeZone }
  if (everyMs !== undefined) return { kind: "every", everyMs, anchor: startAt ?? since }
  return { kind: "at", at: at! }
}

/** The first slot after a time and not before its start. */
export const firstSlot = (definition: Definition, since: number, time: number): number | undefined =>
  slotAfter(ruleOf(definition, since), Math.max(time, (definition.startAt ?? 0) - 1))

const rules = ["cron", "everyMs", "at"] as const

/** What is wrong with when it is due, beyond what its fields say by themselves. */
const faultsOfRule = (said: NewScheduleJson, now: number): ReadonlyArray<Fault> => {
  const given = rules.filter((rule) => said[rule] !== undefined)
  const [first = "cron"] = given
  if (given.length !== 1) {
    return [{ path: `/${first}`, message: "say when it is due: give one of cron, everyMs and at" }]
  }
  const faults: Array<Fault> = []
  if (said.timeZone !== undefined && said.cron === undefined) {
    faults.push({ path: "/timeZone", message: "goes with cron only: the others are on no clock" })
  }
  const ahead = (name: "at" | "startAt") => {
    const time = said[name]
    if (time === undefined) return
    if (name === "at" && millisOf(time) <= now) faults.push({ path: "/at", message: "is over" })
    if (millisOf(time) - now > aheadMaxMs)
      faults.push({ path: `/${name}`, message: "more than ten years ahead" })
  }
  ahead("at")
  ahead("startAt")
  if (said.at !== undefined && said.startAt !== undefined) {
    faults.push({ path: "/startAt", message: "goes with cron and everyMs: at says itself when" })
  }
  if (said.cron !== undefined) faults.push(...faultsOfCron(said.cron, said.timeZone ?? "UTC", now))
  return faults
}

/** The schedule as it is, or every fault it has; whether its task fits is seen when that is prepared. */
export const readSchedule = (
  given: unknown,
  now: number
): Result.Result<
  { readonly id: string | undefined; readonly paused: boolean | undefined; readonly definition: Definition },
  ScheduleRefused
> => {
  const refuse = (faults: ReadonlyArray<Fault>) => Result.fail(new ScheduleRefused({ faults }))
  const read = readFields(given)
  if (Result.isFailure(read)) return refuse(read.failure)
  const said = read.success
  const faults = faultsOfRule(said, now)
  if (faults.length > 0) return refuse(faults)
  const { at, cron, everyMs, id, jitterMs = 0, paused, startAt, timeZone, ...rest } = said
  const { missed = "run-once", overlap = "allow", ...task } = rest
  const definition: Definition = {
    task,
    ...(cron === undefined ? {} : { cron, timeZone: timeZone ?? "UTC" }),
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(at === undefined ? {} : { at: millisOf(at) }),
    ...(startAt === undefined ? {} : { startAt: millisOf(startAt) }),
    missed,
    overlap,
    jitterMs
  }
  return JSON.stringify(definition).length > scheduleMax
    ? refuse([
        {
          path: "/input",
          message: `the schedule has more than ${scheduleMax} characters; let it name a file`
        }
      ])
    : Result.succeed({ id, paused, definition })
}
