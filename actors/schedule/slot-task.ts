/**
 * The task of a slot: as any submit it passes every check, and its id follows from schedule and slot, so that telling of
 * it twice stores it once.
 */
import { Duration, Effect, Result } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Fault, TaskDefinition } from "../../runtime/handler.ts"
import { Handlers, UnknownHandler } from "../../runtime/registry.ts"
import { homeOf } from "../../runtime/routes.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import { type Partition, partitionOfId, type TaskId } from "../../runtime/task.ts"
import { spread } from "../../runtime/digest.ts"
import { type Span, Tracing } from "../../runtime/telemetry/tracing.ts"
import { ulidFor } from "../../runtime/ulid.ts"
import { makeLookout } from "../dispatch/lookout.ts"
import { makeMadeUpQueues } from "../dispatch/made-up-queues.ts"
import { prepare } from "../dispatch/preparation.ts"
import { sharedQueues } from "../dispatch/preparing.ts"
import { attributesOf } from "../dispatch/traced.ts"
import { type Definition, ScheduleRefused } from "./definition.ts"
import type { OverlapPolicy, Run } from "./due.ts"

/** A task that is ready to be owed. */
export interface SlotTask {
  readonly id: TaskId
  readonly partition: Partition
  readonly task: NewTask
  /** The slot as a span, to be ended when it has fired; nobody hears of one that did not. */
  readonly span: Span | undefined
}

/** How much later than its slot a task may start: the same for a slot whoever fires it. */
export const jitterOf = (id: string, slot: number, jitterMs: number): number =>
  jitterMs === 0 ? 0 : spread(`${id}\n${slot}`) % (jitterMs + 1)

const taskOf = ({ box, deadlineAt, due, entry, expiresAt, record }: NewTask): NewTask => ({
  entry,
  record,
  ...(due === undefined ? {} : { due }),
  ...(box === undefined ? {} : { box }),
  ...(expiresAt === undefined ? {} : { expiresAt }),
  ...(deadlineAt === undefined ? {} : { deadlineAt })
})

/**
 * What a slot owes waits in any case, whatever its agent does with messages that come while it is busy: so its schedule has to
 * say itself what becomes of a slot then.
 */
const faultOfArrival = (
  definition: TaskDefinition | undefined,
  overlap: OverlapPolicy
): ReadonlyArray<Fault> => {
  const body = definition?.body
  if (overlap !== "allow" || body?.kind !== "agent" || body.onBusy === "enqueue") return []
  const message =
    `the onBusy "${body.onBusy}" of ${definition!.name} is not heeded where a schedule sends a message: it waits. ` +
    "Say skip, queue or cancel, for when the last one has not ended"
  return [{ path: "/overlap", message }]
}

/** Makes what prepares the tasks of schedules. */
export const makeSlotTasks = Effect.gen(function* () {
  const handlers = yield* Handlers
  const settings = yield* Settings
  const { retention, routes } = settings
  const retentionMs = Duration.toMillis(retention)
  const tracing = yield* Tracing
  const madeUp = yield* makeMadeUpQueues(yield* makeLookout(sharedQueues(settings)))

  const preparing = Effect.fnUntraced(function* (
    id: string,
    given: object,
    at: { readonly now: number; readonly unique: string; readonly tenant: string | undefined }
  ) {
    // All tasks of a schedule go to one queue.
    const choose = (queues: ReadonlyArray<string>) => homeOf(queues, `schedule ${id}`)
    const preparation = prepare(handlers, given, { ...at, routes, retentionMs, choose })
    const result = preparation instanceof Promise ? yield* Effect.promise(() => preparation) : preparation
    if (Result.isSuccess(result)) {
      // When it is made as well as in each slot: what it names may have been served, or not named by others, in between.
      yield* Effect.mapError(madeUp.check(result.success), ({ faults }) => new ScheduleRefused({ faults }))
      return result.success
    }
    return yield* result.failure instanceof UnknownHandler
      ? result.failure
      : new ScheduleRefused({ faults: result.failure.faults })
  })

  return {
    /** Whether the tasks of a schedule would be taken. */
    check: Effect.fnUntraced(function* (
      { jitterMs, overlap, task, tenant }: Definition,
      now: number
    ): Effect.fn.Return<void, UnknownHandler | ScheduleRefused> {
      const given = jitterMs === 0 ? task : { ...task, delayMs: jitterMs }
      yield* preparing("", given, { now, tenant, unique: ulidFor(now, "") })
      const faults = faultOfArrival(handlers.find(task.name), overlap)
      if (faults.length > 0) return yield* new ScheduleRefused({ faults })
    }),

    /** The task of a run, as of now. */
    of: Effect.fnUntraced(function* (
      id: string,
      { jitterMs, task, tenant }: Definition,
      { manual, slot }: Run,
      now: number
    ): Effect.fn.Return<SlotTask, UnknownHandler | ScheduleRefused> {
      const due = manual === undefined ? slot + jitterOf(id, slot, jitterMs) : slot
      const span = tracing.on
        ? tracing.begin(`slot ${id}`, {
            kind: "producer",
            attributes: { "troupe.schedule": id, "troupe.slot": new Date(slot).toISOString() }
          })
        : undefined
      const given = due > now ? { ...task, runAt: new Date(due).toISOString() } : task
      const unique = ulidFor(slot, `${id}\n${slot}\n${manual ?? ""}`)
      const prepared = yield* preparing(id, { ...given, ...span?.carried }, { now, unique, tenant })
      span?.set(attributesOf(prepared.id))
      return { id: prepared.id, partition: partitionOfId(prepared.id), task: taskOf(prepared), span }
    })
  }
})
