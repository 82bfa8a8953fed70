/** The CSV of a report: made a day at a time, as large as an upload may be. */
import { Effect, Stream } from "effect"
import * as Csv from "effect/encoding/Csv"
import { fileBytesMax } from "../../runtime/files.ts"
import { refuse } from "../refusal/refuse.ts"
import { type By, columnsOf, csvOf, type Line } from "./table.ts"

/** Grows with each day. */
export const growingCsv = (by: By, bytesMax: number = fileBytesMax) => {
  const days: Array<string> = [`${columnsOf(by).join(",")}\r\n`]
  let bytes = days[0]!.length
  return {
    /** `Fatal` is of type `ReportTooLarge`. */
    add: Effect.fnUntraced(function* (date: string, lines: ReadonlyArray<Line>) {
      const parts = yield* Stream.fromIterable(csvOf(lines, by)).pipe(
        Stream.pipeThroughChannel(Csv.encodeString({ columns: columnsOf(by), headers: false })),
        Stream.runCollect
      )
      const text = parts.join("")
      bytes += Buffer.byteLength(text)
      if (bytes > bytesMax) {
        return yield* refuse(
          "ReportTooLarge",
          `by ${date} the CSV has more than ${bytesMax} bytes; report fewer days, one tenant, or only a PDF`
        )
      }
      days.push(text)
    }),
    text: () => days.join("")
  }
}
