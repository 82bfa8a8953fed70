/** A filter in the language of Redis's vector sets. */
import { Result } from "effect"
import { Fatal } from "../../runtime/handler.ts"
import { type Filter, testsOf, type Value } from "./filter.ts"

/** Fails on a text that holds both kinds of quotes, or a backslash: there is no way to write it. */
export const expressionOf = (filter: Filter): Result.Result<string, Fatal> =>
  Result.map(
    Result.all(
      testsOf(filter).map((test): Result.Result<string, Fatal> => {
        if (test.is !== "in") {
          return Result.succeed(`.${test.field} ${signs[test.is]} ${test.number}`)
        }
        const values = Result.all(test.values.map(written))
        return Result.map(values, (all) =>
          all.length === 1 ? `.${test.field} == ${all[0]!}` : `.${test.field} in [${all.join(", ")}]`
        )
      })
    ),
    (parts) => parts.join(" and ")
  )

const signs = { gt: ">", gte: ">=", lt: "<", lte: "<=" }

const written = (value: Value): Result.Result<string, Fatal> => {
  if (typeof value === "boolean") return Result.succeed(value ? "1" : "0")
  if (typeof value === "number") return Result.succeed(String(value))
  const quote = ['"', "'"].find((one) => !value.includes(one))
  return quote === undefined || value.includes("\\")
    ? Result.fail(
        new Fatal(
          `Redis cannot filter by a text with a backslash or both kinds of quotes: ${JSON.stringify(value)}`,
          {
            type: "FilterRefused"
          }
        )
      )
    : Result.succeed(quote + value + quote)
}
