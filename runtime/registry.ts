/**
 * The handlers this process knows: those passed in code, and those found in a folder.
 *
 * A module that cannot be loaded is named with its error and does not stop the others. Two handlers of one name are
 * a fault of the second, which is left out.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { readdir, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { describe, inOneLine } from "./fault.ts"
import { isTaskDefinition, type TaskDefinition } from "./handler.ts"
import { nearest } from "./nearest.ts"

/** No handler has this name. `nearest` is what may have been meant. */
export class UnknownHandler extends Schema.TaggedError<UnknownHandler>()("UnknownHandler", {
  handler: Schema.String,
  nearest: Schema.optional(Schema.String)
}) {
  override get message() {
    return `no handler is called ${this.handler}${this.nearest === undefined ? "" : `; did you mean ${this.nearest}?`}`
  }
}

/** A module of the handlers' folder that gave no handler, and why. */
export interface BrokenModule {
  readonly module: string
  readonly reason: string
}

export class Handlers extends Context.Service<
  Handlers,
  {
    readonly all: ReadonlyArray<TaskDefinition>
    readonly broken: ReadonlyArray<BrokenModule>
    readonly find: (name: string) => TaskDefinition | undefined
    /** The module of the folder in which a handler of this name was found. */
    readonly moduleOf: (name: string) => string | undefined
    /** The refusal of a name that no handler has. */
    readonly unknown: (name: string) => UnknownHandler
    /** Takes in a definition that code named directly. It takes the place of another of its name: the newest counts. */
    readonly learn: (definition: TaskDefinition) => void
  }
>()("troupe/Handlers") {
  /** The handlers given, and those of a folder if one is named. */
  static readonly layer = (options: {
    readonly given?: ReadonlyArray<TaskDefinition>
    readonly folder?: string | undefined
  }) =>
    Layer.effect(
      Handlers,
      Effect.gen(function* () {
        const found =
          options.folder === undefined ? nothing : yield* Effect.promise(() => load(options.folder!))
        const byName = new Map<string, TaskDefinition>()
        const broken = [...found.broken]
        for (const definition of options.given ?? []) byName.set(definition.name, definition)
        for (const { definition, module } of found.definitions) {
          if (byName.has(definition.name)) {
            broken.push({ module, reason: `another handler is already called ${definition.name}` })
          } else byName.set(definition.name, definition)
        }
        for (const { module, reason } of broken) {
          yield* Effect.logError(`handler module ${module} is left out: ${reason}`)
        }
        const find = (name: string) => byName.get(name)
        return Handlers.of({
          get all() {
            return [...byName.values()]
          },
          broken,
          find,
          moduleOf: (name) => found.definitions.find(({ definition }) => definition.name === name)?.module,
          unknown: (name) =>
            new UnknownHandler({ handler: name, nearest: nearest(name, [...byName.keys()]) }),
          learn: (definition) => void byName.set(definition.name, definition)
        })
      })
    )
}

interface Loaded {
  readonly definitions: ReadonlyArray<{ readonly definition: TaskDefinition; readonly module: string }>
  readonly broken: ReadonlyArray<BrokenModule>
}

const nothing: Loaded = { definitions: [], broken: [] }

const isModule = (name: string) => /\.(ts|js|mts|mjs)$/.test(name) && !/\.(test|spec|d)\.m?[tj]s$/.test(name)

/** The modules of a folder: its files, and the `index` file of each folder in it. */
export const modulesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { withFileTypes: true })
  const modules = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith(".") && name !== "node_modules")
      .map(async (entry) => {
        const at = resolve(folder, entry.name)
        // A folder that Kubernetes mounts is one of links. Where one leads nowhere, loading it says so.
        const found = entry.isSymbolicLink() ? await stat(at).catch(() => undefined) : entry
        if (found === undefined || found.isFile()) return isModule(entry.name) ? [at] : []
        if (!found.isDirectory()) return []
        const inside = await readdir(at)
        const index = inside.find((name) => /^index\.m?[tj]s$/.test(name))
        return index === undefined ? [] : [resolve(at, index)]
      })
  )
  return modules.flat().sort()
}

const load = async (folder: string): Promise<Loaded> => {
  let modules: ReadonlyArray<string>
  try {
    modules = await modulesIn(folder)
  } catch (thrown) {
    return { definitions: [], broken: [{ module: folder, reason: inOneLine(thrown) }] }
  }
  const results = await Promise.all(
    modules.map(async (module): Promise<Loaded> => {
      try {
        const exports = Object.values((await import(module)) as Record<string, unknown>).filter(
          isTaskDefinition
        )
        return exports.length === 0
          ? {
              definitions: [],
              broken: [{ module, reason: "it exports nothing made by defineTask or defineAgent" }]
            }
          : { definitions: [...new Set(exports)].map((definition) => ({ definition, module })), broken: [] }
      } catch (thrown) {
        const reason = `${describe(thrown).type}: ${inOneLine(thrown)}`
        return { definitions: [], broken: [{ module, reason }] }
      }
    })
  )
  return {
    definitions: results.flatMap((loaded) => loaded.definitions),
    broken: results.flatMap((loaded) => loaded.broken)
  }
}
