/** Uploading files for inputs that name one, and getting them back. */
import { Effect, Schema, Stream } from "effect"
import { FileInfo, Files, FileTooLarge } from "../../../runtime/files.ts"
import { checkEncoding } from "../body.ts"
import type { Serve } from "../mount.ts"
import { uploadForm } from "../multipart.ts"
import { givenAtPace, takenAtPace } from "../pace.ts"
import { row } from "../row.ts"
import { baseOf } from "../view.ts"

const isForm = (type: string) => /^multipart\/form-data\b/i.test(type)

/** Whatever a file says it is, a browser that is led to it must not run it as part of this site. */
const harmless = {
  "content-disposition": "attachment",
  "content-security-policy": "sandbox; default-src 'none'"
}

const group = "Files"
const reach = "tenant"
const parts = { id: { schema: FileInfo.fields.id, example: "7d12678d21cbd33697ba08df0c6eea85" } }

export const rows = {
  upload: row({
    name: "uploadFile",
    method: "POST",
    path: "/v1/files",
    group,
    summary: "Takes an upload: the file as it is, or a form with exactly one",
    needs: "submit",
    reach,
    body: { schema: Schema.String, types: ["application/octet-stream"], example: "the file" },
    answers: { 201: { description: "What is known of it", schema: FileInfo, headers: ["location"] } },
    problems: [
      "BodyMalformed",
      "BodyRefused",
      "BodyTooLarge",
      "BodyTooSlow",
      "MediaTypeRefused",
      "FileTooLarge",
      "UploadBroken",
      "FilesError"
    ]
  }),
  download: row({
    name: "getFile",
    method: "GET",
    path: "/v1/files/:id",
    group,
    summary: "Gives a file back",
    needs: "follow",
    reach,
    parts,
    conditional: true,
    answers: { 200: { description: "Its bytes", schema: Schema.String, type: "*/*" } },
    problems: ["FileNotFound", "FilesError"]
  }),
  remove: row({
    name: "deleteFile",
    method: "DELETE",
    path: "/v1/files/:id",
    group,
    summary: "Forgets a file",
    needs: "submit",
    reach,
    parts,
    answers: { 204: { description: "It is gone" } },
    problems: ["FileNotFound", "FilesError"]
  })
}

export const files = (serve: Serve, bytesMax: number) => {
  serve(
    rows.upload,
    Effect.fnUntraced(function* (c) {
      const store = yield* Files
      yield* checkEncoding(c.req.raw)
      const type = c.req.header("content-type") ?? ""
      // A length that says so is not read at all.
      if (!isForm(type) && Number(c.req.header("content-length") ?? 0) > bytesMax) {
        return yield* new FileTooLarge({ bytesMax })
      }
      const { body, headers } = c.req.raw
      const file = yield* takenAtPace(body ?? new Blob().stream(), (paced) =>
        isForm(type)
          ? uploadForm({ body: body === null ? null : (paced as typeof body), headers }, store, bytesMax)
          : store.upload(paced, { type, bytesMax })
      )
      return c.json(file, 201, { location: `${baseOf(c)}/v1/files/${file.id}` })
    })
  )
  serve(
    rows.download,
    Effect.fnUntraced(function* (c) {
      const store = yield* Files
      const { bytes, id, sha256, type } = yield* store.info(c.req.param("id") ?? "")
      const body = Stream.toReadableStreamWith(store.stream(id), yield* Effect.context<never>(), {
        signal: c.req.raw.signal,
        strategy: { highWaterMark: 0 }
      })
      return c.body(yield* givenAtPace(body), 200, {
        ...harmless,
        "content-type": type,
        "content-length": String(bytes),
        // Known already, so that nobody has to read the file for it.
        etag: `"${sha256}"`
      })
    })
  )
  serve(
    rows.remove,
    Effect.fnUntraced(function* (c) {
      yield* Files.use((store) => store.remove(c.req.param("id") ?? ""))
      return c.body(null, 204)
    })
  )
}
