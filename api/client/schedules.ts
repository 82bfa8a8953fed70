/** Schedules from code: a task as a submit describes it, and when it is due. */
import { type Duration, Effect, Result } from "effect"
import type { SubmitRefused } from "../../actors/dispatch/dispatcher.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import { ScheduleRefused } from "../../actors/schedule/definition.ts"
import type { MissedPolicy, OverlapPolicy } from "../../actors/schedule/due.ts"
import type {
  DefineError,
  RunNow,
  ScheduleBusy,
  ScheduleExists,
  ScheduleNotFound,
  ScheduleOperator,
  SchedulePage,
  ScheduleQuery,
  SchedulesFull
} from "../../actors/schedule/operator.ts"
import type { ScheduleDetail, ScheduleView } from "../../actors/schedule/view.ts"
import { millisOf } from "../../runtime/duration.ts"
import { type Names, strangerAmong } from "../../runtime/option-names.ts"
import type { StoreError, StoreFull } from "../../runtime/store.ts"
import { inOptions } from "./fault-names.ts"
import type { Promised } from "./operate.ts"
import type { InputOf, Named, SubmitOptions } from "./submission.ts"

/** What its tasks may be told. Slots keep them apart, so that a guard has nothing to find. */
type TaskOptions = Pick<
  SubmitOptions,
  "queue" | "priority" | "key" | "timeout" | "expires" | "deadline" | "retry" | "tags"
>

/** Give one of `cron`, `every` and `at`. */
export interface ScheduleOptions extends TaskOptions {
  /** Default: one is made. */
  readonly id?: string
  /** Five fields, `minute hour day month weekday`, or six with seconds first. */
  readonly cron?: string
  /** On whose clock `cron` is read, as in `Europe/Berlin`. Default: UTC. */
  readonly timeZone?: string
  /** At least a second. */
  readonly every?: Duration.Input
  /** Once; a text is ISO 8601. */
  readonly at?: Date | string
  /** No slot before this time; `every` counts from it. Default: when it is created. */
  readonly startAt?: Date | string
  /** What becomes of slots that nobody could fire in time. Default: `run-once`. */
  readonly missed?: MissedPolicy
  /** What becomes of a slot while the task of an earlier one has not ended. Default: `allow`. */
  readonly overlap?: OverlapPolicy
  /** Each task is held back by a part of this, which its slot decides. */
  readonly jitter?: Duration.Input
  readonly paused?: boolean
}

export interface Schedules {
  /** Makes a schedule; the very same one with the same id is found again. */
  readonly create: <T extends Named>(
    task: T,
    input: InputOf<T>,
    options: ScheduleOptions
  ) => Effect.Effect<ScheduleView, DefineError | ScheduleExists | SchedulesFull>
  /** Puts another one in its place, with its history; a rule that stays the same keeps its next slot. */
  readonly update: <T extends Named>(
    id: string,
    task: T,
    input: InputOf<T>,
    options: Omit<ScheduleOptions, "id">
  ) => Effect.Effect<ScheduleView, DefineError | ScheduleNotFound>
  /**
   * Makes one, or puts it in the place of the one that has the id, so that a program may say at every start what its
   * schedules are. One that was paused stays so unless `paused` is said. Fails with `ScheduleExists` only where others
   * make and delete it all the while.
   */
  readonly put: <T extends Named>(
    id: string,
    task: T,
    input: InputOf<T>,
    options: Omit<ScheduleOptions, "id">
  ) => Effect.Effect<ScheduleView, DefineError | ScheduleExists | SchedulesFull>
  /** A page of them, in the order of their ids; `next` is the `cursor` of the next one. */
  readonly list: (query?: ScheduleQuery) => Effect.Effect<SchedulePage, QueryRefused | StoreError>
  /** One, with what became of its last slots. */
  readonly get: (id: string) => Effect.Effect<ScheduleDetail, ScheduleNotFound | StoreError>
  /** Lets no slot be fired; what runs goes on. Slots that pass meanwhile are not made up for. */
  readonly pause: (id: string) => Effect.Effect<ScheduleView, ScheduleNotFound | StoreError>
  readonly resume: (id: string) => Effect.Effect<ScheduleView, ScheduleNotFound | StoreError>
  /** Runs it now, beside its slots, also when it is paused. Its overlap policy counts. */
  readonly run: (
    id: string
  ) => Effect.Effect<RunNow, DefineError | StoreFull | ScheduleNotFound | ScheduleBusy>
  /** Deletes it with its history. Tasks that it has submitted go on. */
  readonly delete: (id: string) => Effect.Effect<void, ScheduleNotFound | StoreError>
}

/** The same in promises. */
export interface PromisedSchedules extends Omit<Promised<Schedules>, "create" | "update" | "put"> {
  readonly create: <T extends Named>(
    task: T,
    input: InputOf<T>,
    options: ScheduleOptions
  ) => Promise<ScheduleView>
  readonly update: <T extends Named>(
    id: string,
    task: T,
    input: InputOf<T>,
    options: Omit<ScheduleOptions, "id">
  ) => Promise<ScheduleView>
  readonly put: <T extends Named>(
    id: string,
    task: T,
    input: InputOf<T>,
    options: Omit<ScheduleOptions, "id">
  ) => Promise<ScheduleView>
}

const refuse = (path: string, message: string) => new ScheduleRefused({ faults: [{ path, message }] })

/** What is no time goes on as it is, to be refused. */
const time = (at: Date | string) =>
  at instanceof Date ? (Number.isNaN(at.getTime()) ? "Invalid Date" : at.toISOString()) : at

const millis = (name: string, duration: Duration.Input): Result.Result<number, ScheduleRefused> => {
  const millis = millisOf(duration)
  return millis === undefined
    ? Result.fail(refuse(`/${name}`, `not a duration such as "10 seconds"`))
    : Result.succeed(Math.round(millis))
}

const names: Names<ScheduleOptions> = {
  id: true,
  cron: true,
  timeZone: true,
  every: true,
  at: true,
  startAt: true,
  missed: true,
  overlap: true,
  jitter: true,
  paused: true,
  queue: true,
  priority: true,
  key: true,
  timeout: true,
  expires: true,
  deadline: true,
  retry: true,
  tags: true
}

/** How often a put begins again because another one has made the schedule meanwhile. */
const putAgainMax = 5

type Described = (task: Named, input: unknown, options: SubmitOptions) => Result.Result<object, SubmitRefused>

/** The schedule as its operator takes it. */
const definitionOf = (
  describe: Described,
  task: Named,
  input: unknown,
  options: ScheduleOptions
): Result.Result<object, ScheduleRefused> => {
  const stranger = strangerAmong(options, names)
  if (stranger !== undefined) return Result.fail(refuse(`/${stranger.name}`, stranger.reason))
  const { at, cron, every, id, jitter, missed, overlap, paused, startAt, timeZone, ...rest } = options
  const described = Result.mapError(
    describe(task, input, rest),
    ({ faults }) => new ScheduleRefused({ faults })
  )
  const times = Result.all({
    described,
    everyMs: every === undefined ? Result.succeed(undefined) : millis("every", every),
    jitterMs: jitter === undefined ? Result.succeed(undefined) : millis("jitter", jitter)
  })
  return Result.map(times, ({ described, ...durations }) => {
    const plain = { id, cron, timeZone, missed, overlap, paused, ...durations }
    const said = Object.entries({
      ...plain,
      at: at === undefined ? undefined : time(at),
      startAt: startAt === undefined ? undefined : time(startAt)
    }).filter(([, value]) => value !== undefined)
    return { ...described, ...Object.fromEntries(said) }
  })
}

/** `describe` makes of a task what the dispatcher takes, and knows its definition from then on. */
export const schedulesOf = (operator: ScheduleOperator["Service"], describe: Described): Schedules => {
  const defined = (task: Named, input: unknown, options: ScheduleOptions) =>
    Effect.suspend(() => Effect.fromResult(definitionOf(describe, task, input, options)))
  const create: Schedules["create"] = (task, input, options) =>
    defined(task, input, options).pipe(
      Effect.flatMap(operator.create),
      Effect.mapBoth({ onSuccess: ({ schedule }) => schedule, onFailure: inOptions })
    )
  const update: Schedules["update"] = (id, task, input, options) =>
    Effect.flatMap(defined(task, input, options), (definition) =>
      Effect.mapError(operator.update(id, definition), inOptions)
    )
  return {
    create,
    update,
    put: (id, task, input, options) =>
      update(id, task, input, options).pipe(
        Effect.catchTag("ScheduleNotFound", () => create(task, input, { ...options, id })),
        // Another process has made it in between: then that one is to be updated.
        Effect.retry({ times: putAgainMax, while: ({ _tag }) => _tag === "ScheduleExists" })
      ),
    list: (query = {}) => operator.list(query),
    get: operator.get,
    pause: operator.pause,
    resume: operator.resume,
    run: operator.run,
    delete: operator.remove
  }
}
