import { describe, expect } from "bun:test"
import { Effect, Layer, Result, Schema } from "effect"
import * as path from "node:path"
import { csvOf, hasOneSource, type Source, source, Tables } from "../../../handlers/table/table.ts"
import { Files } from "../../../runtime/files.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"

const arranged = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const layer = Tables.layer.pipe(Layer.provideMerge(filesIn(folder, { folders: [folder] })))
  const read = (from: Source, rowsMax = 100) =>
    Effect.provide(
      Tables.use((tables) => tables.read(from, rowsMax)),
      layer
    )
  const upload = (text: string | Uint8Array<ArrayBuffer>) =>
    Effect.provide(
      Files.use((files) => files.upload(new Blob([text]).stream())),
      layer
    )
  return { folder, read, upload }
})

describe("a table", () => {
  it.live("in CSV has its first line's names, whatever parts its cells", () =>
    Effect.gen(function* () {
      const { read } = yield* arranged
      const expected = [{ name: "Ada", says: 'a "b", c' }, { name: "Grace" }]
      for (const csv of [
        '\uFEFFname,says\r\nAda,"a ""b"", c"\r\nGrace,\r\n\r\n',
        'name;says\nAda;"a ""b"", c"\nGrace;',
        'name\tsays\nAda\t"a ""b"", c"\nGrace\t'
      ]) {
        expect(yield* read({ csv })).toEqual({ columns: ["name", "says"], rows: expected, faults: [] })
      }
    })
  )

  it.live("in CSV says with its names what cells are, and which are not", () =>
    Effect.gen(function* () {
      const { read } = yield* arranged
      const csv = 'n:number,b:boolean,l:list,j:json,at:noon\n1.5,yes,a; b,"{""c"":1}",x\none,maybe,,{,'
      const { columns, faults, rows } = yield* read({ csv })
      expect(columns).toEqual(["n", "b", "l", "j", "at:noon"])
      expect(rows).toEqual([{ n: 1.5, b: true, l: ["a", "b"], j: { c: 1 }, "at:noon": "x" }, {}])
      expect(faults).toEqual([
        { row: 2, field: "n", message: '"one" is no number' },
        { row: 2, field: "b", message: '"maybe" is no boolean' },
        { row: 2, field: "j", message: '"{" is no json' }
      ])
    })
  )

  it.live("in CSV whose lines have too many or too few cells says in which rows", () =>
    Effect.gen(function* () {
      const { read } = yield* arranged
      const { faults } = yield* read({ csv: "a,b\n1,2\n1\n1,2,3" })
      expect(faults.map(({ row }) => row)).toEqual([2, 3])
    })
  )

  it.live("may be JSON, an array or an object a line, in the input, an upload or a file", () =>
    Effect.gen(function* () {
      const { folder, read, upload } = yield* arranged
      const rows = [{ a: 1 }, { a: 2, b: ["c"] }]
      const lines = rows.map((row) => JSON.stringify(row)).join("\n")
      yield* Effect.promise(() => Bun.write(path.join(folder, "in.json"), JSON.stringify(rows)))
      for (const from of [{ rows }, { file: (yield* upload(lines)).id }, { path: "in.json" }]) {
        expect(yield* read(from)).toEqual({ columns: ["a", "b"], rows, faults: [] })
      }
    })
  )

  it.live("that cannot be read is refused with the reason", () =>
    Effect.gen(function* () {
      const { read, upload } = yield* arranged
      const refusals: ReadonlyArray<readonly [Source, string, string]> = [
        [{ csv: "a,b\n" }, "EmptyTable", "no row"],
        [{ rows: [] }, "EmptyTable", "no row"],
        [{ rows: Array.from({ length: 101 }, () => ({})) }, "TableTooLarge", "at most 100"],
        [{ csv: `a${"\n1".repeat(101)}` }, "TableTooLarge", "at most 100"],
        // Nothing is made of what is beyond: as rows these would take a worker a minute and gigabytes.
        [{ csv: `a${"\n".repeat(1_000_000)}b` }, "TableTooLarge", "100000 lines"],
        [{ csv: "a,".repeat(1_000_000) }, "TableTooLarge", "4096 columns"],
        [{ csv: `"${"a".repeat(2_000_000)}",b\n1,2` }, "TableTooLarge", "long names"],
        [{ file: (yield* upload(`[${"1,".repeat(1_000_000)}1]`)).id }, "TableTooLarge", "at most 100"],
        [{ file: (yield* upload("{}\n".repeat(1_000_000))).id }, "TableTooLarge", "at most 100"],
        [{ file: "0".repeat(32) }, "FileNotFound", "no upload"],
        [{ path: "/etc/passwd" }, "PathNotAllowed", "not below"],
        [{ path: "." }, "PathNotAllowed", "not a file"],
        [{ file: (yield* upload(new Uint8Array([0xff, 0xfe, 0x00]))).id }, "DamagedTable", "UTF-8"],
        [{ file: (yield* upload('[{"a":1},')).id }, "DamagedTable", "no JSON"],
        [{ file: (yield* upload('{"a":1}\n{"a"')).id }, "DamagedTable", "line 2"]
      ]
      for (const [from, name, message] of refusals) {
        expect(yield* Effect.flip(read(from))).toMatchObject({
          name,
          message: expect.stringContaining(message)
        })
      }
    })
  )

  it.live("may have lines without a cell, as spreadsheets leave them behind", () =>
    Effect.gen(function* () {
      const { read } = yield* arranged
      const { rows } = yield* read({ csv: `a,b\n${",\n".repeat(50_000)}1,2\n` })
      expect(rows).toEqual([{ a: "1", b: "2" }])
    })
  )

  it.live("comes from one place", () =>
    Effect.sync(() => {
      const decode = Schema.decodeUnknownResult(Schema.Struct(source).check(hasOneSource))
      expect(Result.isSuccess(decode({ csv: "a" }))).toBe(true)
      expect(Result.isFailure(decode({}))).toBe(true)
      expect(Result.isFailure(decode({ csv: "a", path: "b" }))).toBe(true)
    })
  )

  it.live("goes out as CSV that reads as it was, and that no spreadsheet takes for formulas", () =>
    Effect.gen(function* () {
      const { read } = yield* arranged
      const csv = yield* csvOf(["a", "b"], [{ a: 'x, "y"\nz', b: [1] }, { a: "=1+1" }])
      expect(csv).toBe('a,b\r\n"x, ""y""\nz",[1]\r\n"\'=1+1",')
      expect((yield* read({ csv })).rows[0]).toEqual({ a: 'x, "y"\nz', b: "[1]" })
    })
  )
})
