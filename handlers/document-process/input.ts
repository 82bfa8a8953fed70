/** What is asked of `document.process`, and what it may be asked for. */
import { Schema } from "effect"

export const titleCharactersMax = 200

/** How texts are cut when nobody says: some 300 words of English, of which some 40 repeat the chunk before. */
export const chunkTokensDefault = 400
export const overlapTokensDefault = 50

/** A chunk that is smaller says too little to be found by. */
const chunkTokensMin = 32
const chunkTokensMax = 8_191

const overlapTokensOf = (chunkTokens: number) => Math.min(overlapTokensDefault, Math.floor(chunkTokens / 8))

const Index = Schema.Struct({
  /** Default: `documents`. */
  collection: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(128))),
  /** Default: that of `embeddings.generate`. */
  model: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(128)))
})

const collectionDefault = "documents"

/** How a document is cut up and where it goes, beside what it is. */
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

export const Input = Schema.Struct({
  /** The id of an upload. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  /** An http or https address. */
  url: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^https?:\/\/[^/?#@\s]+([/?#]|$)/iu, {
        message: "must be an http or https URL without a user and password"
      })
    )
  ),
  /** A path below one of the folders in `TROUPE_FOLDERS`. */
  path: Schema.optionalKey(Schema.NonEmptyString),
  /** Default: what the document calls itself, else its first line. */
  title: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(titleCharactersMax))),
  ...options
}).check(
  Schema.makeFilter(
    ({ file, path, url }) =>
      [file, url, path].filter((place) => place !== undefined).length === 1 ||
      "name exactly one of file, url and path"
  ),
  optionsFit
)
export type Input = typeof Input.Type

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
}: Input): Plan => {
  const size = chunkTokens ?? chunkTokensDefault
  const into = index === undefined || index === false ? undefined : index === true ? {} : index
  return {
    ...{ chunking, size, overlap: overlapTokens ?? overlapTokensOf(size) },
    byVectors:
      chunking === "meaning" && (likeness ?? (into === undefined ? "words" : "vectors")) === "vectors",
    index: into === undefined ? undefined : { collection: collectionDefault, ...into }
  }
}
