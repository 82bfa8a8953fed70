/** Files with a key ring: in the folder and in the bucket lies nothing that can be read without a key. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Cause, Effect, Exit, Layer, Redacted, Result, Schema, Stream } from "effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { type KeyRing, readKeyRing } from "../../../runtime/encryption/key-ring.ts"
import { openPieces, pieceBytes, sealPieces } from "../../../runtime/encryption/pieces.ts"
import { Files } from "../../../runtime/files.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { startBucket } from "../../support/bucket.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { forAll } from "../../support/property.ts"

const canary = "canary-Zq7x"
const long = Buffer.from(canary.repeat(20_000))
const keyOf = (name: string) => `${name}:${randomBytes(32).toString("base64")}`
const ringOf = (...keys: ReadonlyArray<string>): Redacted.Redacted<KeyRing> =>
  Result.getOrThrow(readKeyRing(keys.join(",")))
const old = keyOf("old")
const young = keyOf("young")

const bodyOf = (bytes: Uint8Array) => new Blob([new Uint8Array(bytes)]).stream()

const withFiles = <A, E>(
  folder: string,
  encryptionKeys: Redacted.Redacted<KeyRing> | undefined,
  body: (files: Files["Service"]) => Effect.Effect<A, E>
) => Files.use(body).pipe(Effect.provide(filesIn(folder, { encryptionKeys })))

/** Everything that lies in a folder, as one text. */
const lying = (folder: string) =>
  Effect.promise(async () => {
    const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const all = await Promise.all(
      files.map((file) => fs.readFile(path.join(file.parentPath, file.name), "latin1"))
    )
    return { count: files.length, text: all.join("\n") }
  })

/** Uploads and objects, of two tenants, each with a canary; read back in both ways. */
const fill = Effect.fnUntraced(function* (files: Files["Service"]) {
  for (const tenant of ["default", "acme"]) {
    yield* Effect.gen(function* () {
      const { bytes, id } = yield* files.upload(bodyOf(long), { type: `text/${canary.toLowerCase()}` })
      expect(bytes).toBe(long.byteLength)
      expect(Buffer.compare(yield* files.read(id), long)).toBe(0)
      expect(Buffer.compare(Buffer.concat(yield* Stream.runCollect(files.stream(id))), long)).toBe(0)
      yield* files.writeObject("documents/a.json", Buffer.from(canary))
      expect(Buffer.from(yield* files.readObject("documents/a.json")).toString()).toBe(canary)
      expect(yield* files.listObjects("documents/")).toEqual(["documents/a.json"])
    }).pipe(Effect.provideService(Tenant, tenant))
  }
})

const whyNot = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it was read"

describe("a folder of files", () => {
  it.live("shows none of them when there are encryption keys, and all when there are none", () =>
    Effect.gen(function* () {
      for (const ring of [ringOf(old), undefined]) {
        const folder = yield* temporaryFolder
        yield* withFiles(folder, ring, fill)
        const { count, text } = yield* lying(folder)
        expect(count).toBe(6)
        expect(text.toLowerCase().includes("canary")).toBe(ring === undefined)
      }
    })
  )

  it.live("is read with every key of the ring, and as it was where it was written before there was one", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const put = (name: string, ring?: Redacted.Redacted<KeyRing>) =>
        withFiles(folder, ring, (files) => files.writeObject(name, Buffer.from(name)))
      const get = (name: string, ring?: Redacted.Redacted<KeyRing>) =>
        withFiles(folder, ring, (files) => Effect.exit(files.readObject(name)))
      yield* put("plain")
      yield* put("old", ringOf(old))
      yield* put("young", ringOf(young, old))
      for (const name of ["plain", "old", "young"]) {
        const read = yield* get(name, ringOf(young, old))
        expect(Exit.map(read, (bytes) => Buffer.from(bytes).toString())).toEqual(Exit.succeed(name))
      }
      expect(whyNot(yield* get("old", ringOf(young)))).toContain('key "old" is not in TROUPE_ENCRYPTION_KEYS')
      expect(whyNot(yield* get("old"))).toContain('key "old" is not in TROUPE_ENCRYPTION_KEYS')
      expect(whyNot(yield* get("old", ringOf(keyOf("old"))))).toContain("does not open it")
    })
  )

  it.live(
    "breaks a stream off, and gives no byte, where a key is missing or another file was put in its place",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [one, other] = yield* withFiles(folder, ringOf(old), (files) =>
          Effect.all([files.upload(bodyOf(long)), files.upload(bodyOf(Buffer.from("other")))])
        )
        const at = (id: string) => path.join(folder, "uploads", id)
        yield* Effect.promise(() => fs.copyFile(at(other.id), at(one.id)))
        const streamed = yield* withFiles(folder, ringOf(old), (files) =>
          Effect.exit(Stream.runCollect(files.stream(one.id)))
        )
        expect(whyNot(streamed)).toContain("Files.stream")
        expect(whyNot(streamed)).toContain("does not open it")
      })
  )
})

describe("a file that begins as a sealed one does", () => {
  const begin = Buffer.from("\x89TRS\r\n\x1a\n", "latin1")
  const given = ["", "\0", "\x03old", "\x03old and much more than a salt", "\0".repeat(100)].map((rest) =>
    Buffer.concat([begin, Buffer.from(rest, "latin1")])
  )
  given.push(Buffer.from(begin.subarray(0, 5)))

  /** In pieces of a byte, whose memory is used again. */
  const byBytes = (bytes: Uint8Array) => {
    const piece = Buffer.alloc(1)
    let at = 0
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (at === bytes.byteLength) return controller.close()
          piece[0] = bytes[at++]!
          controller.enqueue(piece)
        }
      },
      { highWaterMark: 0 }
    )
  }

  it.live("is read as it was sent, with keys and without, also with keys that came later", () =>
    Effect.gen(function* () {
      for (const written of [undefined, ringOf(old)]) {
        const folder = yield* temporaryFolder
        const ids = yield* withFiles(folder, written, (files) =>
          Effect.gen(function* () {
            yield* files.writeObject("a", given[3]!)
            return yield* Effect.forEach(given, (bytes) =>
              Effect.all([files.upload(bodyOf(bytes)), files.upload(byBytes(bytes))])
            )
          })
        )
        for (const read of [written, ringOf(old)]) {
          yield* withFiles(folder, read, (files) =>
            Effect.gen(function* () {
              expect(Buffer.from(yield* files.readObject("a"))).toEqual(given[3]!)
              for (const [at, { id }] of ids.flatMap((two, at) => two.map((info) => [at, info] as const))) {
                expect(Buffer.from(yield* files.read(id))).toEqual(given[at]!)
                expect(Buffer.concat(yield* Stream.runCollect(files.stream(id)))).toEqual(given[at]!)
              }
            })
          )
        }
      }
    })
  )
})

describe("a bucket of files", () => {
  const key = "AKIATEST"
  let server: ReturnType<typeof startBucket>
  beforeAll(() => {
    server = startBucket({ bucket: "our-bucket", key })
  })
  afterAll(() => server.stop())

  it.live("shows none of them when there are encryption keys", () =>
    Effect.gen(function* () {
      const access = {
        endpoint: server.url,
        accessKeyId: key,
        secretAccessKey: "secret",
        region: "eu-central-1"
      }
      const layer = Files.layerWith(access).pipe(
        Layer.provide(settings({ files: "s3://our-bucket/sealed", encryptionKeys: ringOf(old) }))
      )
      yield* Files.use(fill).pipe(Effect.provide(layer))
      const client = new Bun.S3Client({ ...access, bucket: "our-bucket" })
      const keys = server.keys().filter((name) => name.startsWith("sealed/"))
      expect(keys).toHaveLength(6)
      for (const name of keys) {
        const bytes = yield* Effect.promise(() => client.file(name).bytes())
        expect(Buffer.from(bytes).toString("latin1").toLowerCase()).not.toContain("canary")
      }
    })
  )
})

describe("bytes that are sealed in pieces", () => {
  const ring = Redacted.value(ringOf(old))

  /** Cut into parts of so many bytes. */
  const parts = (bytes: Uint8Array, size: number) =>
    Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size)
    )

  const sealed = (bytes: Uint8Array, size: number, place = "a") => {
    const { add, end, head } = sealPieces(ring, place)
    return Buffer.concat([head, ...parts(bytes, size).flatMap(add), end()])
  }
  const opened = (bytes: Uint8Array, size: number, place = "a"): Buffer | string => {
    const { add, end } = openPieces(ring, place)
    const told: Array<Uint8Array> = []
    for (const some of [...parts(bytes, size).map((part) => () => add(part)), end]) {
      const result = some()
      if (Result.isFailure(result)) return result.failure.reason
      told.push(...result.success)
    }
    return Buffer.concat(told)
  }

  const between = (minimum: number, maximum: number) =>
    Schema.Int.check(Schema.isBetween({ minimum, maximum }))
  const Ways = Schema.Struct({
    size: Schema.Literals([0, 1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3 * pieceBytes, 200_000]),
    written: between(1_000, 150_000),
    read: between(500, 150_000)
  })
  it.effect("are what they were, however they come", () =>
    forAll(Ways, ({ read, size, written }) => {
      const bytes = randomBytes(size)
      expect(Buffer.compare(opened(sealed(bytes, written), read) as Buffer, bytes)).toBe(0)
    })
  )

  test("open only whole, unchanged and in their place", () => {
    const bytes = randomBytes(3 * pieceBytes + 100)
    const whole = sealed(bytes, 10_000)
    const head = whole.length - bytes.length - 4 * 16
    const piece = pieceBytes + 16
    const changed = Buffer.from(whole)
    changed[head + piece + 5]! ^= 1
    const swapped = Buffer.concat([
      whole.subarray(0, head),
      whole.subarray(head + piece, head + 2 * piece),
      whole.subarray(head, head + piece),
      whole.subarray(head + 2 * piece)
    ])
    const wrong = {
      changed,
      swapped,
      "cut between pieces": whole.subarray(0, head + 2 * piece),
      "cut in a piece": whole.subarray(0, head + piece + 70),
      "cut in its head": whole.subarray(0, 12),
      longer: Buffer.concat([whole, whole.subarray(-116)])
    }
    for (const [how, file] of Object.entries(wrong)) {
      expect({ how, opened: opened(file, 50_000) }).toEqual({ how, opened: "mismatch" })
    }
    expect(opened(whole, 50_000, "b")).toBe("mismatch")
    expect(opened(whole, 50_000)).toEqual(bytes)
  })
})
