/**
 * A process that writes to a folder of PGlite without an end, and says what was acknowledged.
 *
 *     bun vector-writer.ts FOLDER NAME
 */
import { Effect } from "effect"
import { pgliteDatabase } from "../../handlers/vectors/pglite.ts"

const [folder = "", name = ""] = process.argv.slice(2)

await Effect.gen(function* () {
  const { transaction } = yield* pgliteDatabase(folder)
  yield* transaction([{ text: "create table if not exists written (id text primary key)", values: [] }])
  for (let number = 0; ; number++) {
    const id = `${name}-${number}`
    yield* transaction([{ text: "insert into written values ($1) on conflict do nothing", values: [id] }])
    process.stdout.write(`${id}\n`)
  }
}).pipe(Effect.scoped, Effect.runPromise)
