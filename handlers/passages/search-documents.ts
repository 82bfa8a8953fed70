/**
 * The tool `search_documents`: lets a model look for further passages in the documents that its request may read.
 *
 * What it finds is numbered on from the passages that the model has, so that answers cite both in one way. A passage that it
 * has already keeps its number.
 */
import { Effect, Result, Schema } from "effect"
import type { FilesError } from "../../runtime/files.ts"
import type { Fatal } from "../../runtime/handler.ts"
import type { Tool } from "../model/converse.ts"
import { type Quotation, quotationOf } from "./quotation.ts"
import type { Retrieved } from "./retrieve.ts"

export const searchDocumentsName = "search_documents"

const passagesDefault = 5
const passagesMax = 8

const Input = Schema.Struct({
  query: Schema.String.check(
    Schema.isPattern(/\S/u, { message: "must not be blank" }),
    Schema.isMaxLength(1_000)
  ),
  passages: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: passagesMax })))
})

interface Found extends Quotation {
  readonly number: number
}

/** `passages` are those that the model has; what is found comes to them. */
export const searchDocuments = (
  passages: Array<Quotation>,
  retrieve: (query: string, limit: number) => Effect.Effect<Retrieved, Fatal | FilesError>
): Tool => ({
  name: searchDocumentsName,
  description:
    "Searches the documents for passages that share words with the query, and gives the best ones with their numbers, titles and pages.",
  parameters: {
    type: "object",
    properties: {
      query: { type: "string", description: "words that stand in the passages looked for" },
      passages: { type: "integer", minimum: 1, maximum: passagesMax, description: "how many, 5 unless said" }
    },
    required: ["query"],
    additionalProperties: false
  },
  run: (given) =>
    Effect.gen(function* () {
      const input = decode(given)
      if (Result.isFailure(input)) return { error: `the input does not fit: ${input.failure.message}` }
      const { passages: limit = passagesDefault, query } = input.success
      const found = yield* retrieve(query, limit)
      const numbers = new Map(passages.map((passage, at) => [placeOf(passage), at + 1]))
      const numbered = found.passages.map(quotationOf).map((passage): Found => {
        const place = placeOf(passage)
        const number = numbers.get(place) ?? numbers.size + 1
        numbers.set(place, number)
        return { number, ...passage }
      })
      return { output: { passages: numbered } }
    }).pipe(Effect.catch((error) => Effect.succeed({ error: error.message }))),
  onOutcome: (outcome) => {
    if ("error" in outcome) return
    const { passages: found } = outcome.output as { readonly passages?: ReadonlyArray<Found> }
    for (const { number, ...passage } of found ?? []) passages[number - 1] ??= passage
  }
})

const placeOf = ({ chunk, document }: Quotation) => `${document}#${chunk}`

const decode = Schema.decodeUnknownResult(Input)
