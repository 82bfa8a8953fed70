/** What embeds texts: a model, what one call of it may hold, and why it may not answer. */
import { type Effect, Schema } from "effect"
import type { Fatal, RetryAfter } from "../../runtime/handler.ts"

/** The model cannot answer now: it is down, broke off, or says nothing. Worth another try later. */
export class EmbeddingsUnavailable extends Schema.TaggedError<EmbeddingsUnavailable>()(
  "EmbeddingsUnavailable",
  { model: Schema.String, reason: Schema.String }
) {
  override get message() {
    return `${this.model}: ${this.reason}`
  }
}

/** The model takes a call's texts not, for the sake of one of them or of all. In smaller calls it may. */
export class TextsRefused extends Schema.TaggedError<TextsRefused>()("TextsRefused", {
  model: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.model}: ${this.reason}`
  }
}

export type ModelError = EmbeddingsUnavailable | TextsRefused | RetryAfter | Fatal

export interface Vectors {
  /** In the order of the texts, each of length 1; `hash` gives zeros for a text without a word. */
  readonly vectors: ReadonlyArray<Float32Array>
  /** What the call has cost, where the model says. */
  readonly tokens: number | undefined
}

export interface Model {
  /** Its kind and its name, as in `openai:text-embedding-3-small`. */
  readonly name: string

  /** Whether its vectors are kept, so that the same text is not embedded twice. */
  readonly isKept: boolean

  /** Whether it takes from the provider's rate. */
  readonly isLimited: boolean

  /** A longer text is refused, in tokens. */
  readonly textTokensMax: number

  /** How texts are gathered: a call is made when so many have come, so many tokens, or after so long; so many at once. */
  readonly gather: {
    readonly count: number
    readonly tokens: number
    readonly waitMs: number
    readonly concurrency: number
  }

  /** One call. Interrupting it ends it. */
  readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<Vectors, ModelError>
}
