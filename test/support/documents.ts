/** Processed documents for tests of what reads them. */
import { Effect } from "effect"
import * as path from "node:path"
import { documentProcess } from "../../handlers/document-process/index.ts"
import { textKeywords } from "../../handlers/text-keywords/index.ts"
import { Files } from "../../runtime/files.ts"
import { filesIn, settings, temporaryFolder } from "./folder.ts"
import { runHandler } from "./recording.ts"

const docs = path.resolve(import.meta.dir, "../../docs")

/** Puts the processed guide into the folder of files, and gives what its handler gave. */
export const guideIn = (files: string) =>
  Effect.gen(function* () {
    const { object, output } = yield* guide
    const write = Files.use(({ writeObject }) => writeObject(`documents/${output.document}.json`, object))
    yield* Effect.provide(write, filesIn(files))
    return output
  })

/** It takes some time, so it is done once for all tests of a file. */
const guide = Effect.runSync(
  Effect.cached(
    Effect.scoped(
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        const output = yield* Effect.provide(
          runHandler(documentProcess, { path: "guide.pdf" }, undefined, [textKeywords]),
          settings({ files, folders: [docs] })
        )
        const read = Files.use(({ readObject }) => readObject(`documents/${output.document}.json`))
        return { output, object: yield* Effect.provide(read, filesIn(files)) }
      })
    )
  )
)

/** Processes a Markdown text into the folder of files. */
export const markdownIn = (files: string, text: string) =>
  Effect.gen(function* () {
    const folder = path.join(files, "sources")
    const name = `${Bun.hash(text)}.md`
    yield* Effect.promise(() => Bun.write(path.join(folder, name), text))
    return yield* Effect.provide(
      runHandler(documentProcess, { path: name }, undefined, [textKeywords]),
      settings({ files, folders: [folder] })
    )
  })
