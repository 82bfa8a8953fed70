/**
 * The options of a method as they are, unless one of them is none. That is a slip of code, and so a defect, a `TypeError`: to
 * go on without what was meant could wait for ever, pause a whole queue for one of its keys, or purge in place of counting.
 */
import { Effect } from "effect"
import { type Names, refuseStranger } from "../../runtime/option-names.ts"

/** `method` is what was called, as the error says it. */
export const heeded = <Options extends object, A, E>(
  method: string,
  options: Options | undefined,
  known: Names<Options>,
  use: (options: Partial<Options>) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const given: unknown = options ?? {}
    if (typeof given !== "object" || given === null) {
      throw new TypeError(`${method}: the options are no object but ${JSON.stringify(given)}`)
    }
    refuseStranger(`${method}: `, given, known)
    return use(given)
  })
