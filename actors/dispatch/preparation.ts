/**
 * Makes of a task as its caller describes it what is stored: everything that can refuse it happens here, before
 * anything is stored, over plain values.
 */
import { Result, Schema } from "effect"
import type { Guard } from "../../runtime/admission.ts"
import type { MessageJson } from "../../runtime/agent.ts"
import { describe } from "../../runtime/fault.ts"
import type { Fault, Misfit, TaskDefinition } from "../../runtime/handler.ts"
import { faultsOf } from "../../runtime/input.ts"
import type { Handlers, UnknownHandler } from "../../runtime/registry.ts"
import type { Route } from "../../runtime/routes.ts"
import type { Box, NewTask } from "../../runtime/mailbox.ts"
import { encodeRecord, type Envelope } from "../../runtime/record.ts"
import {
  entryOf,
  idIn,
  type Lane,
  laneOf,
  partitionOf,
  partitionOfId,
  type TaskId,
  ulidOfId
} from "../../runtime/task.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { tenantDefault, ulidOfTenant } from "../../runtime/tenant.ts"
import { deliver } from "../callback/deliver.ts"
import { callbackOf } from "../callback/option.ts"
import { boxOf } from "./box.ts"
import { guardName, guardsOf } from "./guards.ts"
import { queueFor, queuesOf } from "./home.ts"
import { Key, type NewTaskJson, readOptions, refused, SubmitRefused } from "./new-task.ts"
import type { Birth } from "./offspring.ts"
import { earlier, type Times, timesOf } from "./times.ts"

/** The largest input, in characters of JSON. */
export const inputMax = 1024 * 1024

/** A task that has passed every check, as it will be stored. */
export interface Prepared extends NewTask {
  readonly id: TaskId
  readonly handler: string
  /** What may keep it from being stored. */
  readonly guards: ReadonlyArray<Guard>
  /** The tenant whose submitter has named the queue, where it is none of the handler's: it may be made up. */
  readonly namedBy?: string
}

/** Whether something may keep it from being stored, beside a bound. */
export const isGuarded = ({ arrival, guards }: Prepared): boolean =>
  guards.length > 0 || arrival !== undefined

export type Unfit = UnknownHandler | SubmitRefused

/** A promise only where the schema of the handler's input is async. */
export type Preparation = Result.Result<Prepared, Unfit> | Promise<Result.Result<Prepared, Unfit>>

export interface Circumstances {
  /** Unix milliseconds. */
  readonly now: number
  /** Its ULID. */
  readonly unique: string
  /** The reply channel of the process that waits for its end, if one does. */
  readonly reply?: string | undefined
  readonly routes: ReadonlyArray<Route>
  /** Which of a route's queues a task of a handler goes to that may go to any of them. */
  readonly choose: (queues: ReadonlyArray<string>, handler: string) => string
  /** How long what has ended is kept, in milliseconds. */
  readonly retentionMs: number
  /** Whose it is, if nobody's child; absent for the tenant `default`. */
  readonly tenant?: string | undefined
  /** Whether there are secrets to sign a tenant's callbacks with. */
  readonly signs?: ((tenant: string) => boolean) | undefined
  /** The trace that it follows, where the task itself says none. */
  readonly carried?: Carried | undefined
  /** The task whose run submits it. */
  readonly birth?: Birth
}

const inside = (faults: ReadonlyArray<Fault>) =>
  new SubmitRefused({ faults: faults.map(({ message, path }) => ({ path: `/input${path}`, message })) })

const isKey = Schema.is(Key)

/** Where it waits, by what its handler makes of the input. */
interface Place {
  readonly key: string | undefined
  readonly box: Box | undefined
}

const placeOf = (
  task: NewTaskJson,
  definition: TaskDefinition,
  lane: Lane,
  input: unknown,
  tenant: string | undefined
): Result.Result<Place, SubmitRefused> => {
  const { body, keyed, limits, name } = definition
  if (body.kind === "agent") {
    if (task.key === undefined) return refused("/key", `${name} is an agent: a message names its key`)
    if (task.queue !== undefined)
      return refused("/queue", `${name} is an agent, and has one queue: leave this out`)
  }
  if (task.key === undefined && keyed.of === undefined && limits.length === 0 && tenant === undefined)
    return nowhere
  try {
    const key: unknown = task.key ?? keyed.of?.(input)
    if (key !== undefined && !isKey(key)) {
      return refused("/key", `what ${name} made of the input cannot be a key: ${JSON.stringify(key)}`)
    }
    return Result.succeed({ key, box: boxOf(definition, { key, tenant, lane, input }) })
  } catch (thrown) {
    return refused(
      "/input",
      `${name} cannot tell its key or what it takes of its limits: ${describe(thrown).message}`
    )
  }
}

/** A message that takes the place of a waiting one of its kind is guarded by the name of both. */
const arriving = (
  { body, name }: TaskDefinition,
  input: unknown,
  key: string | undefined,
  tenant: string | undefined,
  guards: ReadonlyArray<Guard>
): ReadonlyArray<Guard> =>
  body.kind === "agent" && body.onBusy === "coalesce"
    ? [
        ...guards,
        {
          kind: "debounce",
          name: guardName(tenant, name, `message ${(input as MessageJson).message} ${key}`)
        }
      ]
    : guards

/**
 * What an agent sends waits in any case: it was acknowledged with the message that sent it. So does what is due later: whether
 * its agent is busy then, nobody knows now.
 */
const arrivalOf = ({ body }: TaskDefinition, birth: Birth | undefined, dueAt: number | undefined) =>
  birth === undefined &&
  dueAt === undefined &&
  body.kind === "agent" &&
  (body.onBusy === "reject" || body.onBusy === "interrupt")
    ? body.onBusy
    : undefined

const noGuards: ReadonlyArray<Guard> = []

const nowhere: Result.Result<Place, never> = Result.succeed({ key: undefined, box: undefined })

/** An envelope as JSON, which has no place for what is absent: only what differs from the handler's defaults. */
const envelopeJson = (
  { callback, input = null, name, retry, tags, timeoutMs, traceparent, tracestate }: NewTaskJson,
  key: string | undefined,
  { dueAt, expiresAt, deadlineAt }: Times,
  tenant: string | undefined,
  { birth, carried = {}, reply }: Circumstances
): string =>
  JSON.stringify({
    name,
    key,
    tenant,
    tags,
    timeoutMs,
    retry,
    dueAt,
    expiresAt,
    deadlineAt,
    parent: birth?.parent,
    behind: birth?.behind,
    traceparent: traceparent ?? carried.traceparent,
    tracestate: traceparent === undefined ? carried.tracestate : tracestate,
    reply,
    callback: callback === undefined ? undefined : callbackOf(callback),
    // Last: what comes before it is the head, by which a task is known without reading what it carries.
    input
  } satisfies { readonly [field in keyof Envelope]: Envelope[field] | undefined })

/** Lays a checked task out as it is stored. `input` is what its handler's `run` is given. */
const layOut = (
  task: NewTaskJson,
  definition: TaskDefinition,
  input: unknown,
  at: Circumstances
): Result.Result<Prepared, SubmitRefused> => {
  const { birth, now } = at
  const tenant = birth === undefined ? at.tenant : birth.tenant
  const own = timesOf(task, definition, now)
  if (Result.isFailure(own)) return Result.fail(own.failure)
  const times =
    birth === undefined
      ? own.success
      : { ...own.success, deadlineAt: earlier(own.success.deadlineAt, birth.deadlineAt) }
  const lane = task.priority === undefined ? definition.lane : laneOf(task.priority)
  const place = placeOf(task, definition, lane, input, tenant)
  if (Result.isFailure(place)) return Result.fail(place.failure)
  const { box, key } = place.success
  const dueInMs = times.dueAt === undefined ? 0 : Math.max(0, times.dueAt - now)
  const said = guardsOf(task, at.retentionMs, tenant, dueInMs)
  if (Result.isFailure(said)) return Result.fail(said.failure)
  const guards = arriving(definition, input, key, tenant, said.success)
  const [guard] = birth === undefined ? [] : guardsOf(task, at.retentionMs).pipe(Result.getOrElse(() => []))
  if (guard !== undefined) {
    const option = guard.kind === "idempotency" ? "idempotencyKey" : guard.kind
    return refused(`/${option}`, "a task that another one submits goes by its own id: leave this out")
  }
  if (task.callback !== undefined && at.signs?.(tenant ?? tenantDefault) !== true) {
    return refused("/callback", "there is no secret to sign it with: set TROUPE_WEBHOOK_SECRETS")
  }
  const boxed = box !== undefined
  let json: string
  try {
    json = envelopeJson(task, key, times, tenant, at)
  } catch (thrown) {
    return refused("/input", `is no JSON: ${describe(thrown).message}`)
  }
  if (json.length > inputMax) return refused("/input", `more than ${inputMax} characters of JSON`)
  const partition =
    birth?.id === undefined
      ? partitionOf(task.queue ?? queueFor(definition, at, key, guards))
      : partitionOfId(birth.id)
  const ulid = birth?.id === undefined ? ulidOfTenant(at.unique, tenant) : ulidOfId(birth.id)
  const { deadlineAt, dueAt, expiresAt } = times
  const arrival = arrivalOf(definition, birth, dueAt)
  const prepared: { -readonly [field in keyof Prepared]: Prepared[field] } = {
    id: idIn(partition, ulid),
    handler: definition.name,
    entry: entryOf(ulid, lane, 1, boxed),
    record: encodeRecord({ letter: "Q", lane, run: 1, crashes: 0, boxed }, json),
    guards: birth === undefined ? guards : noGuards
  }
  // Set one by one: to spread what mostly is not there costs as much as all the rest.
  // On the store's clock where it is so much later: the caller's may be wrong.
  if (dueAt !== undefined) prepared.due = task.runAt === undefined ? { afterMs: dueAt - now } : { at: dueAt }
  if (box !== undefined) prepared.box = box
  if (arrival !== undefined) prepared.arrival = arrival
  if (birth?.parent !== undefined) prepared.parent = birth.parent
  if (expiresAt !== undefined) prepared.expiresAt = expiresAt
  if (deadlineAt !== undefined) prepared.deadlineAt = deadlineAt
  if (task.callback !== undefined) prepared.callback = true
  if (
    birth === undefined &&
    task.queue !== undefined &&
    !queuesOf(definition, at.routes).includes(task.queue)
  )
    prepared.namedBy = tenant ?? tenantDefault
  return Result.succeed(prepared)
}

export const prepare = (
  handlers: Pick<Handlers["Service"], "find" | "unknown">,
  given: unknown,
  at: Circumstances
): Preparation => {
  const options = readOptions(given)
  if (Result.isFailure(options)) return Result.fail(options.failure)
  const task = options.success
  const definition = handlers.find(task.name)
  // What is signed in our name is not for others to say.
  if (definition === undefined || definition === deliver) return Result.fail(handlers.unknown(task.name))
  const { input } = task
  if (typeof input === "function" || typeof input === "symbol")
    return refused("/input", `a ${typeof input} is no JSON`)
  const faults = faultsOf(input)
  if (faults.length > 0) return Result.fail(inside(faults))
  const decide = (read: Result.Result<unknown, Misfit>) =>
    Result.isFailure(read)
      ? Result.fail(inside(read.failure.faults))
      : layOut(task, definition, read.success, at)
  const broken = (thrown: unknown) =>
    refused("/input", `${definition.name} cannot check it: ${describe(thrown).message}`)
  try {
    const fits = definition.readInput(input ?? null)
    return fits instanceof Promise ? fits.then(decide, broken) : decide(fits)
  } catch (thrown) {
    return broken(thrown)
  }
}
