/**
 * Where a document comes from: an upload, a URL, or a path on the workers' machine.
 *
 * Whatever a caller names, it gets at most `fileBytesMax` bytes, and only what callers may read: its upload, a public
 * address, a file below one of the folders that the operator named.
 */
import { Context, Effect, Layer } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Settings } from "../../runtime/config.ts"
import { fileBytesMax, Files, FilesError } from "../../runtime/files.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { type FetchFailed, fetchBytes } from "../network/fetch.ts"
import { findBelow, notAllowed } from "../folders/below.ts"
import { refuse } from "../refusal/refuse.ts"
import type { Claimed } from "./kind.ts"

/** One of the three is there. */
export interface Place {
  readonly file?: string
  readonly url?: string
  readonly path?: string
}

export class Sources extends Context.Service<
  Sources,
  {
    /**
     * The bytes at the place. `Fatal` is of type `FileNotFound`, `PathNotAllowed`, `AddressNotAllowed`, `UrlRefused` or
     * `DocumentTooLarge`; the other failures may pass.
     */
    readonly open: (place: Place) => Effect.Effect<Claimed, Fatal | FetchFailed | FilesError>
  }
>()("troupe/handlers/Sources") {
  static readonly layer = Layer.effect(
    Sources,
    Effect.gen(function* () {
      const files = yield* Files
      const { folders } = yield* Settings

      const upload = Effect.fnUntraced(
        function* (id: string) {
          const { type } = yield* files.info(id)
          return { bytes: yield* files.read(id), type }
        },
        (effect, id) =>
          Effect.catchTag(effect, "FileNotFound", () =>
            refuse("FileNotFound", `there is no upload ${id}; it may have been removed`)
          )
      )

      const fromUrl = Effect.fnUntraced(
        function* (address: string) {
          const { bytes, type, url } = yield* fetchBytes(address, { bytesMax: fileBytesMax })
          return { bytes, type, name: path.posix.basename(url.pathname) }
        },
        Effect.catchTag("BodyTooLarge", ({ message }) => refuse("DocumentTooLarge", message))
      )

      const open = Effect.fn("Sources.open")(function* (place: Place) {
        if (place.file !== undefined) return yield* upload(place.file)
        if (place.url !== undefined) return yield* fromUrl(place.url)
        return yield* readBelow(folders, place.path ?? "")
      })

      return Sources.of({ open })
    })
  )
}

const readBelow = Effect.fnUntraced(function* (folders: ReadonlyArray<string>, name: string) {
  const file = yield* findBelow(folders, name)
  return { bytes: yield* readFile(file, name), name: path.basename(file) }
})

const readFile = (file: string, name: string) =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      // Never through a link that was put there since, and never waiting for the other end of a pipe.
      try: () => fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
      catch: FilesError.during("Sources.open")
    }),
    Effect.fnUntraced(function* (handle) {
      const attempt = <A>(run: () => Promise<A>) =>
        Effect.tryPromise({ try: run, catch: FilesError.during("Sources.open") })
      const stat = yield* attempt(() => handle.stat())
      if (!stat.isFile()) return yield* notAllowed(`${name} is not a file`)
      if (stat.size > fileBytesMax) {
        return yield* refuse("DocumentTooLarge", `${name} has more than ${fileBytesMax} bytes`)
      }
      return new Uint8Array(yield* attempt(() => handle.readFile()))
    }),
    (handle) => Effect.ignoreCause(Effect.promise(() => handle.close()))
  )
