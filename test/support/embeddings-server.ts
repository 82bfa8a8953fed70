/** A server on this machine that speaks OpenAI's embeddings: it limits, fails, refuses and stalls as it is told. */
import { Effect } from "effect"
import { localServer } from "./network.ts"

/** What a request is answered with in place of vectors. */
export interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

export interface AskedForVectors {
  readonly model: string
  readonly input: ReadonlyArray<string>
  readonly authorization: string | null
}

const dimensions = 8

/** The bytes of a text, counted by their last three bits: texts that share letters lie near each other. */
export const standInVector = (text: string): ReadonlyArray<number> => {
  const counts = Array.from({ length: dimensions }, () => 0.01)
  for (const byte of Buffer.from(text)) counts[byte % dimensions]! += 1
  return counts
}

/**
 * `answer` decides on each request by its number, from 0, and its texts: an answer, `stall` for none until the client goes, or
 * undefined for vectors. Each text costs a token for each letter.
 */
export const embeddingsServer = (
  answer: (request: number, texts: ReadonlyArray<string>) => Answer | "stall" | undefined = () => undefined
) =>
  Effect.gen(function* () {
    const asked: Array<AskedForVectors> = []
    const left = Promise.withResolvers<void>()
    const { port } = yield* localServer(async (request) => {
      const { input, model } = (await request.json()) as {
        readonly model: string
        readonly input: string | ReadonlyArray<string>
      }
      const texts = typeof input === "string" ? [input] : input
      const decided = answer(asked.length, texts)
      asked.push({ model, input: texts, authorization: request.headers.get("authorization") })
      if (decided === "stall") {
        await new Promise((resolve) => {
          request.signal.addEventListener("abort", resolve)
        })
        left.resolve()
        return new Response()
      }
      if (decided !== undefined) {
        const { body = { error: { message: `status ${decided.status}` } }, headers = {}, status } = decided
        return Response.json(body, { status, headers })
      }
      const tokens = texts.reduce((sum, text) => sum + text.length, 0)
      return Response.json({
        object: "list",
        model,
        data: texts.map((text, index) => ({ object: "embedding", index, embedding: standInVector(text) })),
        usage: { prompt_tokens: tokens, total_tokens: tokens }
      })
    })
    return { asked, left: left.promise, url: `http://127.0.0.1:${port}/v1` }
  })
