/** Folders that a test may fill; each goes when its test ends. */
import { Effect, Layer } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(path.join(tmpdir(), "troupe-test-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** The settings of an empty environment, with what the test says instead. */
export const settings = (over: Partial<SettingsShape>) => Settings.layer(over, {})

/** `Settings` and `Files`, with the files in `folder`. */
export const filesIn = (folder: string, over: Partial<SettingsShape> = {}) =>
  Files.layer.pipe(Layer.provideMerge(settings({ ...over, files: folder })))
