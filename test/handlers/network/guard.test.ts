import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import type { SettingsShape } from "../../../runtime/config.ts"
import { it } from "../../support/effect.ts"
import { settings, temporaryFolder } from "../../support/folder.ts"
import { localServer, onLoopback } from "../../support/network.ts"
import { runHandler } from "../../support/recording.ts"

describe("where requests of handlers may go", () => {
  it.live("is what the settings say, for documents as well", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const { port, seen } = yield* localServer(
        () => new Response("A page of text.", { headers: { "content-type": "text/plain" } })
      )
      const processed = (url: string, over: Partial<SettingsShape>) =>
        Effect.provide(runHandler(documentProcess, { url }), settings({ files, ...over }))

      const denied = processed(`http://docs.test:${port}/a`, { hostsDenied: ["*.test"] }).pipe(onLoopback())
      expect(yield* Effect.flip(denied)).toMatchObject({ name: "AddressNotAllowed" })
      const inside = processed(`http://127.0.0.1:${port}/a`, {})
      expect(yield* Effect.flip(inside)).toMatchObject({ name: "AddressNotAllowed" })
      expect(seen).toEqual([])
      // What it then makes of the page is another matter.
      yield* Effect.exit(processed(`http://127.0.0.1:${port}/a`, { networks: ["127.0.0.0/8"] }))
      expect(seen).toEqual([`http://127.0.0.1:${port}/a`])
    })
  )
})
