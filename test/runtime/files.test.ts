import { describe, expect, spyOn } from "bun:test"
import { Effect, Fiber, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Files } from "../../runtime/files.ts"
import { it } from "../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../support/folder.ts"

const text = (value: string) => new TextEncoder().encode(value)

/** A body that gives the pieces, one a pull. */
const bodyOf = (...pieces: ReadonlyArray<Uint8Array>) => {
  const left = [...pieces]
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = left.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(piece)
    }
  })
}

/** Every file below the folder, so that a test can say that nothing else was left. */
const filesBelow = (folder: string) =>
  Effect.promise(async () => {
    const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort()
  })

const withFiles = <A, E>(body: (files: Files["Service"], folder: string) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    return yield* Files.use((files) => body(files, folder)).pipe(Effect.provide(filesIn(folder)))
  })

describe("an upload", () => {
  it.live("is described by its size, hash and type, and reads back as it was", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        const pieces = Array.from({ length: 40 }, (_, at) => new Uint8Array(100_000).fill(at))
        const whole = Buffer.concat(pieces)

        const info = yield* files.upload(bodyOf(...pieces), { type: "application/pdf" })

        expect(info).toEqual({
          id: expect.stringMatching(/^[0-9a-f]{32}$/),
          bytes: 4_000_000,
          sha256: createHash("sha256").update(whole).digest("hex"),
          type: "application/pdf"
        })
        expect(yield* files.info(info.id)).toEqual(info)
        expect(Buffer.compare(yield* files.read(info.id), whole)).toBe(0)
        const streamed = yield* Stream.runCollect(files.stream(info.id))
        expect(Buffer.compare(Buffer.concat(streamed), whole)).toBe(0)
      })
    )
  )

  it.live("may be empty", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        const { bytes, id } = yield* files.upload(bodyOf())
        expect(bytes).toBe(0)
        expect((yield* files.read(id)).byteLength).toBe(0)
      })
    )
  )

  it.live("has a type that can be sent as a header, whatever its sender declared", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        const typeOf = (type: string) => Effect.map(files.upload(bodyOf(), { type }), (info) => info.type)
        expect(yield* typeOf("Text/HTML; charset=UTF-8")).toBe("text/html; charset=utf-8")
        expect(yield* typeOf("text/html\r\nSet-Cookie: a=b")).toBe("application/octet-stream")
        expect(yield* typeOf("")).toBe("application/octet-stream")
      })
    )
  )

  it.live("is refused while it streams once it is over its limit, and leaves nothing", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        let cancelled = false
        const endless = new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(new Uint8Array(1_000)),
          cancel: () => {
            cancelled = true
          }
        })

        const refused = yield* Effect.flip(files.upload(endless, { bytesMax: 10_000 }))

        expect(refused).toMatchObject({ _tag: "FileTooLarge", bytesMax: 10_000 })
        expect(cancelled).toBe(true)
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("fits when it has exactly as many bytes as are allowed", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        const { bytes } = yield* files.upload(bodyOf(new Uint8Array(600), new Uint8Array(400)), {
          bytesMax: 1_000
        })
        expect(bytes).toBe(1_000)
      })
    )
  )

  it.live("that breaks off says so and leaves nothing", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        let pulls = 0
        const broken = new ReadableStream<Uint8Array>({
          pull(controller) {
            pulls += 1
            if (pulls === 3) controller.error(new Error("connection reset"))
            else controller.enqueue(text("some bytes"))
          }
        })

        const failed = yield* Effect.flip(files.upload(broken))

        expect(failed._tag).toBe("UploadBroken")
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("that is interrupted cancels its body and leaves nothing", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const stalled = Promise.withResolvers<void>()
        let cancelled = false
        let pulls = 0
        const body = new ReadableStream<Uint8Array>({
          pull(controller) {
            pulls += 1
            if (pulls === 1) return controller.enqueue(text("the first part"))
            stalled.resolve()
            return new Promise<void>(() => {})
          },
          cancel: () => {
            cancelled = true
          }
        })
        const upload = yield* Effect.forkChild(files.upload(body))
        yield* Effect.promise(() => stalled.promise)

        yield* Fiber.interrupt(upload)

        expect(cancelled).toBe(true)
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("is gone once it was removed", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const { id } = yield* files.upload(bodyOf(text("short-lived")))

        yield* files.remove(id)

        expect((yield* Effect.flip(files.read(id)))._tag).toBe("FileNotFound")
        expect((yield* Effect.flip(files.remove(id)))._tag).toBe("FileNotFound")
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("can be removed again when its removal broke off, and is not there meanwhile", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const { id } = yield* files.upload(bodyOf(text("short-lived")))
        // As a process does that dies in the middle.
        yield* Effect.promise(() => fs.rm(path.join(folder, "uploads", id)))

        for (const looked of [files.read(id), Stream.runDrain(files.stream(id))]) {
          expect(yield* Effect.flip(looked)).toMatchObject({ _tag: "FileNotFound", id })
        }
        yield* files.remove(id)
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("leaves nothing when its bytes cannot be put in their place", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const id = "0".repeat(32)
        yield* Effect.promise(() => fs.mkdir(path.join(folder, "uploads", id), { recursive: true }))
        let draws = 0
        // A spy would leave something there that nobody can replace any more, as simulations do.
        crypto.getRandomValues = <A>(bytes: A) => {
          draws += 1
          return bytes
        }
        const restore = Effect.sync(() => Reflect.deleteProperty(crypto, "getRandomValues"))

        const failed = yield* Effect.flip(files.upload(bodyOf(text("some bytes")))).pipe(
          Effect.ensuring(restore)
        )

        expect(draws).toBe(1)
        expect(failed._tag).toBe("FilesError")
        expect(yield* filesBelow(folder)).toEqual([])
      })
    )
  )

  it.live("is open for as long as somebody streams it, and no longer", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const { id } = yield* files.upload(bodyOf(new Uint8Array(1_000_000)))
        const bytes = path.join(folder, "uploads", id)
        let pieces = 0
        using opens = spyOn(fs, "open")
        const handles = () =>
          Promise.all(opens.mock.results.map(({ value }) => value as Promise<fs.FileHandle>))

        for (const stream of [files.stream(id), Stream.take(files.stream(id), 1)]) {
          pieces += (yield* Stream.runCollect(stream)).length
        }

        expect(pieces).toBeGreaterThan(1)
        expect(opens.mock.calls.map(([at]) => at)).toEqual([bytes, bytes])
        expect((yield* Effect.promise(handles)).map(({ fd }) => fd)).toEqual([-1, -1])
      })
    )
  )

  it.live("is not given where the disk has lost some of it", () =>
    withFiles((files, folder) =>
      Effect.gen(function* () {
        const { id } = yield* files.upload(bodyOf(text("all of it")))
        yield* Effect.promise(() => fs.truncate(path.join(folder, "uploads", id), 3))

        for (const looked of [files.read(id), Stream.runDrain(files.stream(id))]) {
          const refused = yield* Effect.flip(looked)
          expect(refused._tag).toBe("FilesError")
          expect(refused.message).toContain("3 of its 9 bytes are there")
        }
      })
    )
  )

  for (const id of [
    "",
    "..",
    "../objects/secret",
    "a".repeat(32),
    "A".repeat(32),
    "%2e%2e",
    `${"a".repeat(32)}.json`
  ]) {
    it.live(`is not found under the id "${id}"`, () =>
      withFiles((files) =>
        Effect.gen(function* () {
          yield* files.writeObject("secret", text("not an upload"))
          for (const looked of [
            files.info(id),
            files.read(id),
            files.remove(id),
            Stream.runDrain(files.stream(id))
          ]) {
            expect(yield* Effect.flip(looked)).toMatchObject({ _tag: "FileNotFound", id })
          }
        })
      )
    )
  }
})

describe("a named object", () => {
  it.live("reads as it was last written", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        yield* files.writeObject("documents/ab12.json", text("first, and longer"))
        yield* files.writeObject("documents/ab12.json", text("second"))
        expect(new TextDecoder().decode(yield* files.readObject("documents/ab12.json"))).toBe("second")
      })
    )
  )

  it.live("is whole to every reader while others replace it", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        const versions = Array.from({ length: 20 }, (_, at) => new Uint8Array(200_000).fill(at))
        yield* files.writeObject("busy", versions[0]!)
        const writes = Effect.forEach(versions, (bytes) => files.writeObject("busy", bytes), {
          concurrency: 5
        })
        const reads = Effect.forEach(versions, () => files.readObject("busy"), { concurrency: 3 })

        const [seen] = yield* Effect.all([reads, writes], { concurrency: 2 })

        for (const bytes of seen) {
          expect(bytes.byteLength).toBe(200_000)
          expect(bytes.every((byte) => byte === bytes[0])).toBe(true)
        }
      })
    )
  )

  it.live("is listed with those that share its prefix", () =>
    withFiles((files) =>
      Effect.gen(function* () {
        for (const name of ["documents/b.json", "documents/a.json", "drafts/c.json"]) {
          yield* files.writeObject(name, text("{}"))
        }
        expect(yield* files.listObjects("documents/")).toEqual(["documents/a.json", "documents/b.json"])
        expect(yield* files.listObjects("nothing/")).toEqual([])
        expect(yield* files.listObjects("../")).toEqual([])
      })
    )
  )

  for (const name of [
    "",
    "../up",
    "a/../b",
    "/etc/passwd",
    ".hidden",
    "a//b",
    "a\\b",
    "A",
    `a/${"b".repeat(300)}`
  ]) {
    it.live(`cannot be called "${name.slice(0, 20)}"`, () =>
      withFiles((files, folder) =>
        Effect.gen(function* () {
          const written = yield* Effect.exit(files.writeObject(name, text("x")))
          expect(written._tag).toBe("Failure")
          expect((yield* Effect.flip(files.readObject(name)))._tag).toBe("FileNotFound")
          expect(yield* filesBelow(folder)).toEqual([])
        })
      )
    )
  }
})

describe("the folder of files", () => {
  it.live("loses what a dead process left unfinished, but not what is being written", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const unfinished = path.join(folder, "unfinished")
      const twoHoursAgo = Date.now() / 1000 - 7_200
      yield* Effect.promise(async () => {
        await fs.mkdir(unfinished)
        await fs.writeFile(path.join(unfinished, "old"), "half")
        await fs.utimes(path.join(unfinished, "old"), twoHoursAgo, twoHoursAgo)
        await fs.writeFile(path.join(unfinished, "new"), "half")
      })

      yield* Layer.build(filesIn(folder))

      expect(yield* filesBelow(unfinished)).toEqual(["new"])
    })
  )

  it.live("must be a folder that can be made", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => fs.writeFile(path.join(folder, "a-file"), ""))

      const refused = yield* Effect.flip(Layer.build(filesIn(path.join(folder, "a-file", "below"))))

      expect(refused).toMatchObject({ _tag: "SettingsError", setting: "TROUPE_FILES" })
    })
  )

  it.live("cannot be an address of another kind", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(
        Layer.build(Files.layer.pipe(Layer.provide(settings({ files: "ftp://host/files" }))))
      )
      expect(refused.message).toContain("neither a folder nor s3://bucket/prefix")
      expect(existsSync("ftp:")).toBe(false)
    })
  )
})
