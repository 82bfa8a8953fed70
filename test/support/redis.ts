/** One real, private Redis for all tests of this process; each test has its own namespace in it. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { startPrivate } from "../../runtime/redis/private.ts"
import { atTheEnd } from "./end.ts"

const folder = mkdtempSync(`${tmpdir()}/troupe-test-`)
const scope = Scope.makeUnsafe()

/** The URL of the tests' Redis. */
export const { url: redisUrl } = await startPrivate({ folder, durable: false }).pipe(
  Effect.provide(NodeServices.layer),
  Scope.provide(scope),
  Effect.runPromise
)

atTheEnd(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(folder, { recursive: true, force: true })
})

/** A namespace that no other test has. */
export const aNamespace = () => `t-${crypto.randomUUID().slice(0, 8)}`

/** Settings for a test on the real Redis, in a namespace of its own. */
export const redisSettings = (over: Partial<SettingsShape> = {}) =>
  Settings.layer({ redisUrl: Redacted.make(redisUrl), namespace: aNamespace(), ...over }, {})

/** Settings for a test on the memory store. */
export const memorySettings = (over: Partial<SettingsShape> = {}): Layer.Layer<Settings> =>
  Layer.orDie(Settings.layer(over, {}))
