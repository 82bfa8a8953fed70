/** Files in a bucket: the same promises as in a folder, over the API of S3. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { bucketOf } from "../../runtime/blobs/address.ts"
import { Files } from "../../runtime/files.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { startBucket } from "../support/bucket.ts"
import { it } from "../support/effect.ts"
import { settings } from "../support/folder.ts"

const text = (value: string) => new TextEncoder().encode(value)
const key = "AKIATEST"
let server: ReturnType<typeof startBucket>

beforeAll(() => {
  server = startBucket({ bucket: "our-bucket", key })
})
afterAll(() => server.stop())

/** A body that gives the pieces. */
const bodyOf = (...pieces: ReadonlyArray<Uint8Array>) =>
  new Blob(pieces as Array<Uint8Array<ArrayBuffer>>).stream()

const filesAt = (files: string) =>
  Files.layerWith({
    endpoint: server.url,
    accessKeyId: key,
    secretAccessKey: "secret",
    region: "eu-central-1"
  }).pipe(Layer.provide(settings({ files })))
const withFiles = <A, E>(prefix: string, body: (files: Files["Service"]) => Effect.Effect<A, E>) =>
  Files.use(body).pipe(Effect.provide(filesAt(`s3://our-bucket/${prefix}`)))

const below = (prefix: string) => server.keys().filter((name) => name.startsWith(`${prefix}/`))

describe("files in a bucket", () => {
  it.live("are there as they were sent, also those that go in parts", () =>
    withFiles("whole", (files) =>
      Effect.gen(function* () {
        const pieces = Array.from({ length: 120 }, (_, at) => new Uint8Array(100_000).fill(at))
        const whole = Buffer.concat(pieces)

        const info = yield* files.upload(bodyOf(...pieces), { type: "application/pdf" })

        expect(info).toMatchObject({
          bytes: 12_000_000,
          sha256: createHash("sha256").update(whole).digest("hex"),
          type: "application/pdf"
        })
        expect(yield* files.info(info.id)).toEqual(info)
        expect(Buffer.compare(yield* files.read(info.id), whole)).toBe(0)
        const streamed = yield* Stream.runCollect(files.stream(info.id))
        expect(Buffer.compare(Buffer.concat(streamed), whole)).toBe(0)
        expect(below("whole")).toEqual([`whole/uploads/${info.id}`, `whole/uploads/${info.id}.json`])
        expect(server.unfinished()).toBe(0)
      })
    )
  )

  it.live("leave nothing when they are too large", () =>
    withFiles("large", (files) =>
      Effect.gen(function* () {
        const body = bodyOf(new Uint8Array(600), new Uint8Array(600))
        expect((yield* Effect.flip(files.upload(body, { bytesMax: 1_000 })))._tag).toBe("FileTooLarge")
        expect(below("large")).toEqual([])
      })
    )
  )

  it.live("lose on this machine what a dead process left of them, but not what is being written", () =>
    Effect.gen(function* () {
      const parts = yield* Effect.forEach([7_200, 0], (secondsAgo) =>
        Effect.acquireRelease(
          Effect.promise(async () => {
            const folder = await fs.mkdtemp(path.join(tmpdir(), "troupe-upload-"))
            const at = Date.now() / 1_000 - secondsAgo
            await fs.writeFile(path.join(folder, "part"), "half")
            await fs.utimes(path.join(folder, "part"), at, at)
            return folder
          }),
          (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
        )
      )

      yield* Layer.build(filesAt("s3://our-bucket/parts"))

      expect(parts.map((folder) => existsSync(folder))).toEqual([false, true])
    })
  )

  it.live("are gone once they were removed", () =>
    withFiles("removed", (files) =>
      Effect.gen(function* () {
        const { id } = yield* files.upload(bodyOf(text("short-lived")))
        yield* files.remove(id)
        expect((yield* Effect.flip(files.read(id)))._tag).toBe("FileNotFound")
        expect(below("removed")).toEqual([])
      })
    )
  )

  it.live("are each tenant's own", () =>
    withFiles("tenants", (files) =>
      Effect.gen(function* () {
        const acme = Effect.provideService(Tenant, "acme")
        const { id } = yield* acme(files.upload(bodyOf(text("theirs"))))
        expect((yield* Effect.flip(files.read(id)))._tag).toBe("FileNotFound")
        expect(new TextDecoder().decode(yield* acme(files.read(id)))).toBe("theirs")
      })
    )
  )
})

describe("named objects in a bucket", () => {
  it.live("read as they were last written, and are listed over all pages", () =>
    withFiles("named/deep", (files) =>
      Effect.gen(function* () {
        const names = ["a", "b", "c", "d", "e"].map((name) => `documents/${name}.json`)
        for (const name of [...names, "drafts/f.json"]) yield* files.writeObject(name, text("{}"))
        yield* files.writeObject(names[0]!, text("second"))
        expect(new TextDecoder().decode(yield* files.readObject(names[0]!))).toBe("second")
        expect(yield* files.listObjects("documents/")).toEqual(names)
        expect((yield* Effect.flip(files.readObject("documents/z.json")))._tag).toBe("FileNotFound")
      })
    )
  )
})

describe("a bucket that cannot be used", () => {
  it.live("is told at the start, with what it says", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Layer.build(filesAt("s3://other-bucket")))
      expect(refused).toMatchObject({ _tag: "SettingsError", setting: "TROUPE_FILES" })
    })
  )

  it.live("that takes nothing any more fails an upload, which may be sent again", () =>
    withFiles("full", (files) =>
      Effect.gen(function* () {
        server.refuseWrites()
        const failed = yield* Effect.flip(files.upload(bodyOf(text("x"))))
        expect(failed._tag).toBe("FilesError")
        expect(below("full")).toEqual([])
      })
    )
  )
})

test("the address of a bucket has its name and a prefix", () => {
  expect(bucketOf("s3://our-bucket")).toEqual({ bucket: "our-bucket", prefix: "" })
  expect(bucketOf("s3://our-bucket/a//b/")).toEqual({ bucket: "our-bucket", prefix: "a/b/" })
  for (const wrong of ["s3://", "s3://A", "s3://x", "files", "/s3://b"])
    expect(bucketOf(wrong)).toBeUndefined()
})
