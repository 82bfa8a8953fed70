/** Reads which of many are meant, and what is to be done with them, from address and body. */
import { Effect, Schema } from "effect"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import { fitting, readJsonIfAny } from "./body.ts"
import { BodyRefused } from "./refusals.ts"
import type { ApiContext } from "./run.ts"

export const Retry = Schema.Struct({ input: Schema.optionalKey(Schema.Unknown) })

const fitsRetry = fitting(Retry)

/** What is said of a retry: another input, or nothing. */
export const retryOptions = (body: unknown) =>
  Effect.map(fitsRetry(body), (said) => ("input" in said ? { input: { value: said.input } } : {}))

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What is said in the body, and what in the address; the body counts where both say something. */
export const selection = Effect.fnUntraced(function* (
  c: ApiContext,
  said: Readonly<Record<string, unknown>>
) {
  const body: unknown = yield* readJsonIfAny(c.req.raw)
  if (!isObject(body)) return yield* new BodyRefused({ faults: [{ path: "", message: "not an object" }] })
  return { ...said, ...body }
})

/** What a filter in a body does not fit is a fault of the body. */
export const inBody = <A, E, R>(effect: Effect.Effect<A, E | QueryRefused, R>) =>
  Effect.catchIf(
    effect,
    (error): error is QueryRefused =>
      typeof error === "object" && error !== null && "_tag" in error && error._tag === "QueryRefused",
    ({ faults }) => Effect.fail(new BodyRefused({ faults }))
  ) as Effect.Effect<A, Exclude<E, QueryRefused> | BodyRefused, R>
