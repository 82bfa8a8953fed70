/** Uploading files for inputs that name one, and getting them back. */
import { Context, Effect, Stream } from "effect"
import { Hono } from "hono"
import { Files, FileTooLarge } from "../../../runtime/files.ts"
import { checkEncoding } from "../body.ts"
import { uploadForm } from "../multipart.ts"
import type { Bindings, Respond } from "../run.ts"

const isForm = (type: string) => /^multipart\/form-data\b/i.test(type)

/** Whatever a file says it is, a browser that is led to it must not run it as part of this site. */
const harmless = {
  "content-disposition": "attachment",
  "content-security-policy": "sandbox; default-src 'none'"
}

export const files = (respond: Respond, bytesMax: number) =>
  new Hono<{ Bindings: Bindings }>()
    .post("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const store = yield* Files
          yield* checkEncoding(c.req.raw)
          const type = c.req.header("content-type") ?? ""
          const upload = isForm(type)
            ? uploadForm(c.req.raw, store, bytesMax)
            : Effect.suspend(() =>
                // A length that says so is not read at all.
                Number(c.req.header("content-length") ?? 0) > bytesMax
                  ? Effect.fail(new FileTooLarge({ bytesMax }))
                  : store.upload(c.req.raw.body ?? new Blob().stream(), { type, bytesMax })
              )
          const file = yield* upload
          return c.json(file, 201, { location: `/v1/files/${file.id}` })
        })
      )
    )
    .get("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const store = yield* Files
          const { bytes, id, type } = yield* store.info(c.req.param("id"))
          const body = Stream.toReadableStreamWith(store.stream(id), Context.empty(), {
            signal: c.req.raw.signal,
            strategy: { highWaterMark: 0 }
          })
          return c.body(body, 200, { ...harmless, "content-type": type, "content-length": String(bytes) })
        })
      )
    )
    .delete("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          yield* Files.use((store) => store.remove(c.req.param("id")))
          return c.body(null, 204)
        })
      )
    )
