/** How a document is to be cut up, and where its vectors go: what whoever has documents processed may ask for. */
import { Schema } from "effect"
import { ModelName } from "../embedding/input.ts"
import { CollectionName } from "../vectors/input.ts"

/** How texts are cut when nobody says: some 300 words of English, of which some 40 repeat the chunk before. */
export const chunkTokensDefault = 400
export const overlapTokensDefault = 50

/** A chunk that is smaller says too little to be found by. */
const chunkTokensMin = 32
const chunkTokensMax = 8_191

const overlapTokensOf = (chunkTokens: number) => Math.min(overlapTokensDefault, Math.floor(chunkTokens / 8))

const Index = Schema.Struct({
  /** Default: `documents`. */
  collection: Schema.optionalKey(CollectionName),
  /** Default: that of `embeddings.generate`. */
  model: Schema.optionalKey(ModelName)
})

const collectionDefault = "documents"

export const options = {
  /** A language tag such as `en`. Default: what the document declares, else what it is found to be written in. */
  language: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/u, { message: "must be a language tag" })
    )
  ),
  /** Default: `recursive`. */
  chunking: Schema.optionalKey(Schema.Literals(["recursive", "sentences", "meaning"])),
  chunkTokens: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: chunkTokensMin, maximum: chunkTokensMax }))
  ),
  overlapTokens: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: chunkTokensMax }))
  ),
  /** What sentences are compared by when it is cut by meaning. Default: by `vectors` with `index`, else by `words`. */
  likeness: Schema.optionalKey(Schema.Literals(["words", "vectors"])),
  /** Puts the chunks' vectors into a collection. Default: no. */
  index: Schema.optionalKey(Schema.Union([Schema.Boolean, Index]))
}

export const optionsFit = Schema.makeFilter(
  ({
    chunkTokens = chunkTokensDefault,
    overlapTokens
  }: {
    readonly chunkTokens?: number
    readonly overlapTokens?: number
  }) =>
    (overlapTokens ?? overlapTokensOf(chunkTokens)) <= chunkTokens / 2 ||
    `overlapTokens must be at most half of chunkTokens, which is ${chunkTokens}`
)

/** The same, as it is given. */
const Asked = Schema.Struct(options)
type Asked = typeof Asked.Type

/** How to cut. */
export interface Plan {
  readonly chunking: "recursive" | "sentences" | "meaning"
  readonly size: number
  readonly overlap: number
  /** Whether sentences are compared by vectors. */
  readonly byVectors: boolean
  /** Where the vectors go, if they are asked for. */
  readonly index: { readonly collection: string; readonly model?: string } | undefined
}

/** What was asked for, with what nobody said. */
export const planOf = ({
  chunking = "recursive",
  chunkTokens,
  index,
  likeness,
  overlapTokens
}: Asked): Plan => {
  const size = chunkTokens ?? chunkTokensDefault
  const into = index === undefined || index === false ? undefined : index === true ? {} : index
  return {
    ...{ chunking, size, overlap: overlapTokens ?? overlapTokensOf(size) },
    byVectors:
      chunking === "meaning" && (likeness ?? (into === undefined ? "words" : "vectors")) === "vectors",
    index: into === undefined ? undefined : { collection: collectionDefault, ...into }
  }
}
