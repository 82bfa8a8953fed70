/**
 * Gathers the runs of batch handlers, and runs those of one handler in one call.
 *
 * A batch starts when it is full, or when its first run has waited as long as its handler says. Each run is told of its
 * own ending. One that is not wanted any more is left out; when none of a batch is, the whole call is interrupted.
 */
import { Effect, Exit, Fiber } from "effect"
import type { Body, TaskDefinition } from "../../runtime/handler.ts"
import { attemptAll, type Ending, type Member } from "./attempt.ts"

type BatchBody = Extract<Body, { readonly kind: "batch" }>

/** One run, and whom to tell. */
export interface Gathered extends Member {
  /** Called when its batch starts. */
  readonly onStart: () => void
  /** Called once, unless it was lost. */
  readonly onEnd: (exit: Exit.Exit<Ending>) => void
}

interface Batch {
  readonly definition: TaskDefinition
  readonly body: BatchBody
  readonly members: Array<Gathered>
  /** The wait before its start, then its call. */
  fiber: Fiber.Fiber<unknown> | undefined
  started: boolean
  /** Those that are not wanted any more, or have been told. */
  readonly gone: Set<Gathered>
}

export interface Batches {
  readonly add: (definition: TaskDefinition, body: BatchBody, one: Gathered) => void
  /** Leaves one out. With `atOnce` it is told that it was interrupted while the others still run. */
  readonly leave: (one: Gathered, atOnce: boolean) => void
}

export const makeBatches = (
  fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
): Batches & { readonly close: Effect.Effect<void> } => {
  const gathering = new Map<TaskDefinition, Batch>()
  const batchOf = new Map<Gathered, Batch>()
  /** Calls that go on, wanted or not. */
  const calls = new Set<Fiber.Fiber<unknown>>()

  const tell = (batch: Batch, one: Gathered, exit: Exit.Exit<Ending>) => {
    batchOf.delete(one)
    if (batch.gone.has(one)) return
    batch.gone.add(one)
    one.onEnd(exit)
  }

  const start = (batch: Batch) => {
    gathering.delete(batch.definition)
    batch.started = true
    const { body, definition, members } = batch
    for (const { onStart } of members) onStart()
    const fiber = fork(attemptAll(definition, body, members))
    batch.fiber = fiber
    calls.add(fiber)
    fiber.addObserver((exit) => {
      calls.delete(fiber)
      for (const [at, one] of members.entries())
        tell(
          batch,
          one,
          Exit.map(exit, (endings) => endings[at]!)
        )
    })
  }

  const add: Batches["add"] = (definition, body, one) => {
    const batch = gathering.get(definition) ?? {
      definition,
      body,
      members: [],
      fiber: undefined,
      started: false,
      gone: new Set<Gathered>()
    }
    batch.members.push(one)
    batchOf.set(one, batch)
    if (batch.members.length >= body.size) {
      const wait = batch.fiber
      start(batch)
      if (wait !== undefined) fork(Fiber.interrupt(wait))
    } else if (batch.members.length === 1) {
      gathering.set(definition, batch)
      batch.fiber = fork(Effect.sleep(body.waitMs))
      batch.fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit) && !batch.started) start(batch)
      })
    }
  }

  const leave: Batches["leave"] = (one, atOnce) => {
    const batch = batchOf.get(one)
    if (batch === undefined) return
    one.ctx.close()
    if (!batch.started) {
      batch.members.splice(batch.members.indexOf(one), 1)
      if (batch.members.length === 0) {
        gathering.delete(batch.definition)
        if (batch.fiber !== undefined) fork(Fiber.interrupt(batch.fiber))
      }
      return tell(batch, one, Exit.interrupt())
    }
    batchOf.delete(one)
    // The last one wanted ends the call, whose end then tells those that were not told.
    const others = batch.members.some((other) => batchOf.has(other))
    if (!others && batch.fiber !== undefined) fork(Fiber.interrupt(batch.fiber))
    else if (atOnce) tell(batch, one, Exit.interrupt())
  }

  const close = Effect.suspend(() => {
    const waits = [...gathering.values()].flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber]))
    return Fiber.interruptAll([...waits, ...calls])
  })

  return { add, leave, close }
}
