/**
 * Gathers the texts that many runs of a process want embedded, and embeds them in few calls.
 *
 * A call is made when enough texts or tokens have come, or when the first of them has waited long enough; only so many calls go
 * on at once, and what comes meanwhile gathers. Each caller is given its own vectors. A text that its model refuses has none,
 * and its caller alone hears of it: the others of its call are embedded without it. A caller that is interrupted takes its
 * texts back, and a call that nobody waits for any more is interrupted; all calls end with the scope.
 */
import { Cause, Deferred, Effect, Exit, Fiber, FiberSet, Option, type Result } from "effect"
import { halve } from "../halving/halve.ts"
import type { Model, ModelError } from "./model.ts"
import { tokensOf } from "./tokens.ts"

/** A text's vector, and its share of what its call has cost. */
export interface Embedded {
  readonly vector: Float32Array
  readonly tokens: number
}

interface Waiting {
  readonly text: string
  readonly tokens: number
  readonly deferred: Deferred.Deferred<Embedded, ModelError>
  /** The call that it is part of. */
  call: Call | undefined
  /** All texts of its caller. */
  readonly beside: () => ReadonlyArray<Waiting>
}

interface Call {
  /** How many of its texts are wanted. */
  wanted: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** The vector of a text, or why it has none. */
export type Outcome = Result.Result<Embedded, ModelError>

export interface Gatherer {
  /**
   * What became of each text, in their order, when all calls have ended that they were part of: what was paid for is there,
   * whatever else failed. After a failure that is no text's own, those that still wait are not sent, and have that failure.
   */
  readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Outcome>>
}

export const makeGatherer = Effect.fnUntraced(function* (model: Model) {
  const { concurrency, count, tokens, waitMs } = model.gather
  const fork = yield* FiberSet.makeRuntime<never>()
  let waiting: Array<Waiting> = []
  let waitingTokens = 0
  let running = 0
  let timer: Fiber.Fiber<unknown> | undefined

  const isFull = () => waiting.length >= count || waitingTokens >= tokens

  /** The texts of the next call: the oldest, and as many as it may hold, at least one. */
  const take = () => {
    let size = 0
    let at = 0
    while (at < waiting.length && at < count) {
      size += waiting[at]!.tokens
      if (at > 0 && size > tokens) break
      at++
    }
    const taken = waiting.slice(0, at)
    waiting = waiting.slice(at)
    waitingTokens = waiting.reduce((sum, one) => sum + one.tokens, 0)
    return taken
  }

  const stopTimer = () => {
    const stopped = timer
    timer = undefined
    if (stopped !== undefined) fork(Fiber.interrupt(stopped))
  }

  /** Makes calls while there are full ones; with `isDue` one that is not full, too. */
  const start = (isDue: boolean) => {
    let due = isDue
    while (running < concurrency && (isFull() || (due && waiting.length > 0))) {
      if (!isFull()) due = false
      run(take())
    }
    if (waiting.length === 0) stopTimer()
    else if (running < concurrency && timer === undefined) {
      timer = fork(Effect.sleep(waitMs))
      timer.addObserver((exit) => {
        timer = undefined
        if (Exit.isSuccess(exit)) start(true)
      })
    }
  }

  const run = (members: ReadonlyArray<Waiting>) => {
    running++
    const call: Call = { wanted: members.length, fiber: undefined }
    for (const one of members) one.call = call
    const fiber = fork(
      halve(members, (part) => Effect.map(model.embed(part.map(({ text }) => text)), shared(part)), isTexts)
    )
    call.fiber = fiber
    fiber.addObserver((exit) => {
      running--
      for (const [at, { deferred }] of members.entries()) {
        Deferred.doneUnsafe(
          deferred,
          Exit.isSuccess(exit) ? Effect.fromResult(exit.value[at]!) : Exit.failCause(exit.cause)
        )
      }
      takeBack(members, exit)
      // Who waited while all calls were taken has waited long enough.
      start(true)
    })
  }

  const leave = (one: Waiting) => {
    const { call } = one
    if (call === undefined) {
      const at = waiting.indexOf(one)
      if (at < 0) return
      waiting.splice(at, 1)
      waitingTokens -= one.tokens
      if (waiting.length === 0) stopTimer()
    } else if (--call.wanted === 0 && call.fiber !== undefined) {
      fork(Fiber.interrupt(call.fiber))
    }
  }

  /** A model that cannot answer, or wants to be left alone, is sent nothing more of those whom it has failed. */
  const takeBack = (members: ReadonlyArray<Waiting>, exit: Exit.Exit<unknown, ModelError>) => {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    if (error === undefined || isTexts(error)) return
    for (const all of new Set(members.map(({ beside }) => beside()))) {
      for (const one of all.filter(({ call }) => call === undefined)) {
        leave(one)
        Deferred.doneUnsafe(one.deferred, Effect.fail(error))
      }
    }
  }

  const embed: Gatherer["embed"] = (texts) =>
    Effect.suspend(() => {
      const mine: Array<Waiting> = texts.map((text) => ({
        text,
        tokens: tokensOf(text),
        deferred: Deferred.makeUnsafe(),
        call: undefined,
        beside: () => mine
      }))
      waiting.push(...mine)
      waitingTokens += mine.reduce((sum, one) => sum + one.tokens, 0)
      start(false)
      return Effect.forEach(mine, ({ deferred }) => Effect.result(Deferred.await(deferred))).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) for (const one of mine) leave(one)
          })
        )
      )
    })

  return { embed } satisfies Gatherer
})

/** Whether it is the fault of the texts that were sent: others may still be embedded. */
const isTexts = (error: ModelError) => "_tag" in error && error._tag === "TextsRefused"

/** What each text of a call is given: its vector, and as much of the call's tokens as it is long. */
const shared =
  (part: ReadonlyArray<Waiting>) =>
  ({
    tokens,
    vectors
  }: {
    readonly tokens: number | undefined
    readonly vectors: ReadonlyArray<Float32Array>
  }) => {
    const estimated = part.reduce((sum, one) => sum + one.tokens, 0)
    return part.map((one, at): Embedded => ({
      vector: vectors[at]!,
      tokens: tokens === undefined ? one.tokens : (tokens * one.tokens) / estimated
    }))
  }
