/**
 * Reads the library of Lua scripts as Redis will get it, and names what Redis would complain of only when it comes to
 * that line: a name that nobody defined. And what no Redis would load: a syntax error.
 */
import { parse, type Chunk, type Identifier } from "luaparse"
import { buildScripts } from "../runtime/redis/scripts.ts"

/** What Redis gives a script. */
const given = new Set(
  `redis cjson cmsgpack struct bit math string table
  assert error ipairs next pairs pcall rawset select setmetatable tonumber tostring type unpack`.split(/\s+/)
)

interface Problem {
  readonly line: number
  readonly text: string
}

const problemsOf = (script: string): ReadonlyArray<Problem> => {
  try {
    // `scope` gathers the first use of each global name; the package's types do not know it.
    const tree = parse(script, { luaVersion: "5.1", locations: true, scope: true }) as Chunk & {
      readonly globals: ReadonlyArray<Identifier>
    }
    return tree.globals
      .filter(({ name }) => !given.has(name))
      .map(({ loc, name }) => ({ line: loc?.start.line ?? 0, text: `nobody defined ${name}` }))
  } catch (error) {
    if (!(error instanceof SyntaxError && "line" in error)) throw error
    return [{ line: Number(error.line), text: error.message }]
  }
}

const { text: library } = buildScripts()
// Lua knows no line that begins with #.
const lines = library.split("\n").slice(1)
for (const { line, text } of problemsOf(lines.join("\n"))) {
  const made = lines.slice(0, line).findLast((each) => each.startsWith("make["))
  console.error(`${made?.split('"')[1]}: ${text}, in: ${lines[line - 1]?.trim()}`)
  process.exitCode = 1
}
