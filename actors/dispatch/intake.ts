/**
 * Takes prepared tasks in: most through the outbox, those with guards one by one, as long as there is room for them.
 */
import { Effect, Exit, Result, Schema } from "effect"
import { Admission } from "../../runtime/admission.ts"
import {
  type AgentBusy,
  type AgentQuarantined,
  QueueFull,
  Store,
  type StoreError,
  type StoreFull
} from "../../runtime/store.ts"
import { type AgentAddress, type Box, agentOfBox } from "../../runtime/mailbox.ts"
import { idIn, type Partition, partitionOfId, type State, TaskId, ulidOfId } from "../../runtime/task.ts"
import { standingOf } from "../../runtime/view.ts"
import { batchMax, makeOutbox, type Outbox, untilAnswered } from "./outbox.ts"
import { isGuarded, type Prepared } from "./preparation.ts"
import { makePressure } from "./pressure.ts"
import { makeTally } from "../tally.ts"

/**
 * The idempotency key was used before, with another input. Nothing was stored: send what was sent then, or take another
 * key.
 */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  /** The task that was submitted with it. */
  id: TaskId
}) {
  override get message() {
    return `the idempotency key belongs to ${this.id}, which has another input`
  }
}

/** The task was there, or may have been, and is no longer kept: what came of it cannot be said any more. */
export class TaskGone extends Schema.TaggedError<TaskGone>()("TaskGone", { id: TaskId }) {
  override get message() {
    return `${this.id} is no longer kept`
  }
}

/** How many guarded tasks are on their way at once. */
const admitsAtOnce = 16

export interface Submitted {
  readonly id: TaskId
  readonly state: State
  /** A task was there already that does, or has done, the work. */
  readonly existing?: true
  /** That it waits, as far as can be seen, for a worker that is not there. */
  readonly warning?: string
}

/** Why a task that fits is not taken in, when others may be. */
export type Turned = IdempotencyConflict | TaskGone | QueueFull | AgentQuarantined | AgentBusy

export type NotTaken = Turned | StoreError | StoreFull

export interface Intake {
  /** Stores a task, or finds the one that its guards point at. */
  readonly take: (one: Prepared) => Effect.Effect<Submitted, NotTaken>

  /** The same for many. One that is turned away does not sink the others; those of a full queue are together. */
  readonly takeAll: (
    tasks: ReadonlyArray<Prepared>
  ) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, Turned>>, StoreError | StoreFull>

  /** Whether there is room in the store's memory, as far as is known. */
  readonly hasRoom: () => boolean

  /** Stores a task without guards, and tells how it went by a call. Only within `whileThereIsRoom`, or after `hasRoom`. */
  readonly push: (one: Prepared, done: Parameters<Outbox["push"]>[2]) => void

  /** Does what stores tasks, unless the store's memory is all but used up; a full queue says when to come back. */
  readonly whileThereIsRoom: <A, E, R>(storing: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreFull, R>
}

export const submitted = ({ due, id }: Prepared): Submitted => ({
  id,
  state: due === undefined ? "queued" : "scheduled"
})

/** Where those lie among the tasks that are stored together: of one partition, up to `batchMax` at once. */
const listsOf = (
  tasks: ReadonlyArray<Prepared>,
  places: ReadonlyArray<number>
): ReadonlyArray<ReadonlyArray<number>> => {
  const lists: Array<Array<number>> = []
  const newest = new Map<Partition, Array<number>>()
  for (const at of places) {
    const partition = partitionOfId(tasks[at]!.id)
    const list = newest.get(partition)
    if (list !== undefined && list.length < batchMax) list.push(at)
    else {
      const fresh = [at]
      newest.set(partition, fresh)
      lists.push(fresh)
    }
  }
  return lists
}

export const makeIntake = Effect.gen(function* () {
  const store = yield* Store
  const admission = yield* Admission
  const outbox = yield* makeOutbox
  const pressure = yield* makePressure
  const tally = yield* makeTally

  /** A task that was found in place of a new one. */
  const existing = Effect.fnUntraced(function* (id: TaskId) {
    const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
    if (found === undefined) return yield* new TaskGone({ id })
    const submitted: Submitted = { id, state: standingOf(found).state, existing: true }
    return submitted
  })

  const admit = Effect.fnUntraced(function* (one: Prepared) {
    const partition = partitionOfId(one.id)
    const admitted = yield* untilAnswered(admission.admit(partition, one, one.guards))
    switch (admitted.kind) {
      case "stored":
        tally.submitted(partition, 1)
        return submitted(one)
      case "found":
        return yield* existing(idIn(partition, admitted.ulid))
      case "conflict":
        return yield* new IdempotencyConflict({ id: idIn(partition, admitted.ulid) })
    }
  })

  const whileThereIsRoom = <A, E, R>(storing: Effect.Effect<A, E, R>) =>
    pressure.whileThereIsRoom(
      Effect.catchIf(
        storing,
        (error): error is E & QueueFull => error instanceof QueueFull,
        (full) => Effect.flatMap(pressure.estimate(full), (full) => Effect.fail(full as E & QueueFull))
      )
    )

  const storeAll = (tasks: ReadonlyArray<Prepared>) => {
    const partition = partitionOfId(tasks[0]!.id)
    return Effect.map(outbox.submit(partition, tasks), () => {
      tally.submitted(partition, tasks.length)
      return tasks.map(submitted)
    })
  }

  const take: Intake["take"] = (one) =>
    whileThereIsRoom(isGuarded(one) ? admit(one) : Effect.map(storeAll([one]), ([submitted]) => submitted!))

  /** What becomes of some tasks of a batch, in their order: what turns them away is said of each. */
  const apart = (count: number, taken: Effect.Effect<ReadonlyArray<Submitted>, NotTaken>) =>
    whileThereIsRoom(taken).pipe(
      Effect.map((all): ReadonlyArray<Result.Result<Submitted, Turned>> => all.map(Result.succeed)),
      Effect.catchIf(isTurned, (turned) =>
        Effect.succeed(Array.from({ length: count }, () => Result.fail(turned)))
      )
    )

  const takeAll: Intake["takeAll"] = Effect.fnUntraced(function* (tasks) {
    const answers: Array<Result.Result<Submitted, Turned>> = []
    const answer = (some: ReadonlyArray<number>, taken: Effect.Effect<ReadonlyArray<Submitted>, NotTaken>) =>
      Effect.map(apart(some.length, taken), (results) => {
        for (const [k, at] of some.entries()) answers[at] = results[k]!
      })
    const guarded: Array<number> = []
    const plain: Array<number> = []
    for (const [at, one] of tasks.entries()) (isGuarded(one) ? guarded : plain).push(at)
    /** A batch is stored as a whole or not at all: what an agent in quarantine has sunk is stored without it. */
    const store = (some: ReadonlyArray<number>): Effect.Effect<void, StoreError | StoreFull> =>
      Effect.flatMap(answer(some, storeAll(some.map((at) => tasks[at]!))), () => {
        const quarantined = quarantinedIn(answers[some[0]!])
        if (quarantined === undefined) return Effect.void
        const others = some.filter((at) => agentIn(tasks[at]!.box) !== quarantined)
        return others.length > 0 ? store(others) : Effect.void
      })
    const storing = Effect.forEach(listsOf(tasks, plain), store, { concurrency: "unbounded", discard: true })
    const admitting = Effect.forEach(
      guarded,
      (at) =>
        answer(
          [at],
          Effect.map(admit(tasks[at]!), (submitted) => [submitted])
        ),
      { concurrency: admitsAtOnce, discard: true }
    )
    yield* Effect.all([storing, admitting], { concurrency: 2, discard: true })
    return answers
  })

  const intake: Intake = {
    hasRoom: pressure.hasRoom,
    take,
    takeAll,
    push: (one, done) => {
      const partition = partitionOfId(one.id)
      outbox.push(partition, [one], (exit) => {
        if (Exit.isSuccess(exit)) tally.submitted(partition, 1)
        done(exit)
      })
    },
    whileThereIsRoom
  }
  return intake
})

/** The agent that has turned a batch away, if one has. */
const quarantinedIn = (answer: Result.Result<Submitted, Turned> | undefined): AgentAddress | undefined =>
  answer !== undefined && Result.isFailure(answer) && answer.failure._tag === "AgentQuarantined"
    ? answer.failure.agent
    : undefined

const agentIn = (box: Box | undefined) => (box === undefined ? "" : (agentOfBox(box.name) ?? ""))

const isTurned = (error: NotTaken): error is Turned =>
  error._tag !== "StoreError" && error._tag !== "StoreFull"
