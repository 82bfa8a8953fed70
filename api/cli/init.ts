/** `troupe init`: makes a project with one handler that runs, in a folder where nothing is. */
import { Effect, FileSystem, Option, Path, type PlatformError, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import manifest from "../../package.json" with { type: "json" }
import { UsageError } from "./exit.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { fromElsewhere, projectFiles } from "./project.ts"

const command = "troupe init"

/** What the system says of it, as in `ENOENT: no such file or directory`, is clearer than what was asked of it. */
const unwritable =
  (root: string) =>
  ({ cause, message }: PlatformError.PlatformError) => {
    const why = cause instanceof Error ? cause.message : message
    return new UsageError({ command, problem: `cannot write to ${root}: ${why}` })
  }

/** What a project's `package.json` may say of this program. */
const Manifest = Schema.Struct({
  dependencies: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  devDependencies: Schema.optional(Schema.Record(Schema.String, Schema.String))
})

/**
 * Where this program is from: a clone names itself; what was installed names what the project that it is installed in
 * says of it, which may be a tarball, and else its version.
 */
const dependency = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(import.meta.dirname, "../..")
  const [installer, ...inside] = root.split(`${path.sep}node_modules${path.sep}`)
  if (inside.length === 0 && !root.startsWith("/$bunfs")) return `file:${root}`
  const said = yield* files.readFileString(path.join(installer!, "package.json")).pipe(
    Effect.flatMap(Schema.decodeEffect(Schema.fromJsonString(Manifest))),
    Effect.map(({ dependencies, devDependencies }) => ({ ...devDependencies, ...dependencies })["troupe"]),
    Effect.orElseSucceed(() => undefined)
  )
  return said === undefined
    ? `^${manifest.version}`
    : fromElsewhere(said, (file) => path.resolve(installer!, file))
})

export const init = () =>
  Command.make(
    "init",
    {
      folder: Argument.String("folder").pipe(
        Argument.withDescription("Where; it is made if it is not there, and must be empty"),
        Argument.withDefault(".")
      ),
      troupe: Flag.String("troupe").pipe(
        Flag.withDescription(
          "What its package.json says of troupe; default: what is said where this one is from"
        ),
        Flag.withMetavar("SPEC"),
        Flag.optional
      ),
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ folder, json, troupe }) {
      const files = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = path.resolve(folder)
      const there = (yield* files.exists(root).pipe(Effect.mapError(unwritable(root))))
        ? yield* files.readDirectory(root).pipe(Effect.mapError(unwritable(root)))
        : []
      // A repository that was just made is as good as empty.
      const [first, ...others] = there.filter((name) => name !== ".git").sort()
      if (first !== undefined) {
        const more = others.length === 0 ? "" : ` and ${others.length} more`
        return yield* new UsageError({
          command,
          problem: `${root} is not empty (${first}${more}); name another folder`
        })
      }
      const project = projectFiles({
        folder: path.basename(root),
        troupe: Option.isSome(troupe) ? troupe.value : yield* dependency
      })
      for (const [name, text] of Object.entries(project)) {
        const file = path.join(root, name)
        yield* files
          .makeDirectory(path.dirname(file), { recursive: true })
          .pipe(Effect.mapError(unwritable(root)))
        yield* files.writeFileString(file, text).pipe(Effect.mapError(unwritable(root)))
        const said = path.join(folder, name)
        yield* Output.print(json ? JSON.stringify({ file: said }) : said)
      }
      const into = folder === "." ? "" : `cd ${folder} && `
      yield* Output.say(`next: ${into}bun install && bun test && bun run start`)
    })
  ).pipe(
    Command.withDescription(
      "Makes a project with one handler that runs, its test and a README, in an empty folder. Prints its files"
    ),
    Command.withShortDescription("Makes a project"),
    Command.withExamples([{ command: "troupe init shop", description: "A project in the folder shop" }])
  )
