import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Files } from "../../../runtime/files.ts"
import { type Place, Sources } from "../../../handlers/document-process/sources.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { localServer, onLoopback } from "../../support/network.ts"

const text = ({ bytes }: { readonly bytes: Uint8Array }) => new TextDecoder().decode(bytes)

/** A folder `allowed` that may be read, and a secret beside it. */
const folders = Effect.gen(function* () {
  const root = yield* temporaryFolder
  const allowed = path.join(root, "allowed")
  const secret = path.join(root, "secret.txt")
  yield* Effect.promise(async () => {
    await fs.mkdir(path.join(allowed, "sub"), { recursive: true })
    await fs.writeFile(path.join(allowed, "a.txt"), "a")
    await fs.writeFile(path.join(allowed, "sub", "b.md"), "b")
    await fs.writeFile(secret, "secret")
  })
  return { root, allowed, secret }
})

const open = (place: Place, folders: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const files = yield* temporaryFolder
    const layer = Sources.layer.pipe(Layer.provideMerge(filesIn(files, { folders })))
    return yield* Sources.use((sources) => sources.open(place)).pipe(Effect.provide(layer))
  })

describe("a path", () => {
  it.live("below an allowed folder is read, absolute or relative to it", () =>
    Effect.gen(function* () {
      const { allowed } = yield* folders
      expect(text(yield* open({ path: path.join(allowed, "a.txt") }, [allowed]))).toBe("a")
      expect(yield* open({ path: "sub/b.md" }, [allowed])).toMatchObject({ name: "b.md" })
      expect(text(yield* open({ path: "sub/../a.txt" }, [allowed]))).toBe("a")
    })
  )

  it.live("is looked for in each folder", () =>
    Effect.gen(function* () {
      const { allowed } = yield* folders
      const other = yield* temporaryFolder
      expect(text(yield* open({ path: "a.txt" }, [other, allowed]))).toBe("a")
    })
  )

  it.live("is refused when no folder is allowed, naming the setting", () =>
    Effect.gen(function* () {
      const { secret } = yield* folders
      const refused = yield* Effect.flip(open({ path: secret }, []))
      expect(refused).toMatchObject({ name: "PathNotAllowed" })
      expect(refused.message).toContain("TROUPE_FOLDERS")
    })
  )

  it.live("is refused when it leads elsewhere, whether there is a file or not", () =>
    Effect.gen(function* () {
      const { allowed, root, secret } = yield* folders
      const elsewhere = [
        secret,
        "../secret.txt",
        "/etc/passwd",
        "../absent.txt",
        `${allowed}x/a`,
        allowed,
        "a\0.txt",
        root
      ]
      for (const name of elsewhere) {
        expect(yield* Effect.flip(open({ path: name }, [allowed])), name).toMatchObject({
          name: "PathNotAllowed"
        })
      }
    })
  )

  it.live("is refused when a link leads elsewhere", () =>
    Effect.gen(function* () {
      const { allowed, root, secret } = yield* folders
      yield* Effect.promise(async () => {
        await fs.symlink(secret, path.join(allowed, "file-link"))
        await fs.symlink(root, path.join(allowed, "folder-link"))
      })
      for (const name of ["file-link", "folder-link/secret.txt"]) {
        expect(yield* Effect.flip(open({ path: name }, [allowed]))).toMatchObject({ name: "PathNotAllowed" })
      }
    })
  )

  it.live("is read when a link stays inside, or the folder itself is a link", () =>
    Effect.gen(function* () {
      const { allowed, root } = yield* folders
      const link = path.join(root, "link")
      yield* Effect.promise(async () => {
        await fs.symlink(path.join(allowed, "a.txt"), path.join(allowed, "sub", "inside"))
        await fs.symlink(allowed, link)
      })
      expect(text(yield* open({ path: "sub/inside" }, [allowed]))).toBe("a")
      expect(text(yield* open({ path: "a.txt" }, [link]))).toBe("a")
    })
  )

  it.live("must lead to a file", () =>
    Effect.gen(function* () {
      const { allowed } = yield* folders
      expect(yield* Effect.flip(open({ path: "sub" }, [allowed]))).toMatchObject({ name: "PathNotAllowed" })
      expect(yield* Effect.flip(open({ path: "absent.txt" }, [allowed]))).toMatchObject({
        name: "FileNotFound"
      })
    })
  )

  it.live("to a file that is too large is refused before it is read", () =>
    Effect.gen(function* () {
      const { allowed } = yield* folders
      yield* Effect.promise(() => fs.truncate(path.join(allowed, "a.txt"), 65 * 1024 * 1024))
      expect(yield* Effect.flip(open({ path: "a.txt" }, [allowed]))).toMatchObject({
        name: "DocumentTooLarge"
      })
    })
  )
})

describe("an upload", () => {
  it.live("is read with the type it was sent with", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const layer = Sources.layer.pipe(Layer.provideMerge(filesIn(folder)))
      const opened = yield* Effect.gen(function* () {
        const { id } = yield* Files.use((files) =>
          files.upload(new Blob(["hello"]).stream(), { type: "text/plain" })
        )
        return yield* Sources.use((sources) => sources.open({ file: id }))
      }).pipe(Effect.provide(layer))
      expect(text(opened)).toBe("hello")
      expect(opened.type).toBe("text/plain")
    })
  )

  it.live("that is not there is refused", () =>
    Effect.gen(function* () {
      for (const file of ["0".repeat(32), "../../etc/passwd"]) {
        expect(yield* Effect.flip(open({ file }, []))).toMatchObject({ name: "FileNotFound" })
      }
    })
  )
})

describe("a URL", () => {
  it.live("is fetched, with its type and the last part of its path", () =>
    Effect.gen(function* () {
      const { port } = yield* localServer(
        () => new Response("page", { headers: { "content-type": "text/html" } })
      )
      const opened = yield* open({ url: `http://docs.test:${port}/a/page.html?x=1` }, []).pipe(onLoopback())
      expect(text(opened)).toBe("page")
      expect(opened).toMatchObject({ type: "text/html", name: "page.html" })
    })
  )

  it.live("to this machine is refused", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* localServer(() => new Response("secret"))
      const refused = yield* Effect.flip(open({ url: `http://127.0.0.1:${port}/` }, []))
      expect(refused).toMatchObject({ name: "AddressNotAllowed" })
      expect(seen).toEqual([])
    })
  )

  it.live("that gives too much is refused", () =>
    Effect.gen(function* () {
      const { port } = yield* localServer(
        () =>
          new Response(
            new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)) })
          )
      )
      const refused = yield* Effect.flip(open({ url: `http://docs.test:${port}/` }, []).pipe(onLoopback()))
      expect(refused).toMatchObject({ name: "DocumentTooLarge" })
    })
  )
})
