/**
 * A bucket on this machine that answers as the API of S3 documents: objects, uploads in parts, lists in pages. It stands
 * for a provider that is paid. Whoever does not sign with the right key is refused.
 */
import { createHash } from "node:crypto"

/** How many keys one page of a list has. */
const pageMax = 2

const xml = (body: string, status = 200) =>
  new Response(`<?xml version="1.0" encoding="UTF-8"?>${body}`, {
    status,
    headers: { "content-type": "application/xml" }
  })

const problem = (status: number, code: string) =>
  xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`, status)

const etag = (bytes: Uint8Array) => `"${createHash("md5").update(bytes).digest("hex")}"`

export const startBucket = ({ bucket, key }: { readonly bucket: string; readonly key: string }) => {
  const objects = new Map<string, Uint8Array>()
  const uploads = new Map<string, Map<number, Uint8Array>>()
  let refusesWrites = false

  const list = (url: URL) => {
    const prefix = url.searchParams.get("prefix") ?? ""
    const after = url.searchParams.get("continuation-token") ?? ""
    const most = Math.min(pageMax, Number(url.searchParams.get("max-keys") ?? pageMax))
    const keys = [...objects.keys()].filter((one) => one.startsWith(prefix) && one > after).sort()
    const page = keys.slice(0, most)
    const isTruncated = keys.length > most
    return xml(
      `<ListBucketResult><Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount>` +
        `<MaxKeys>${most}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>` +
        (isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "") +
        page
          .map((one) => `<Contents><Key>${one}</Key><Size>${objects.get(one)!.length}</Size></Contents>`)
          .join("") +
        "</ListBucketResult>"
    )
  }

  const parts = async (request: Request, url: URL, name: string) => {
    const id = url.searchParams.get("uploadId")
    if (id === null) {
      const fresh = crypto.randomUUID()
      uploads.set(fresh, new Map())
      return xml(
        `<InitiateMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${name}</Key><UploadId>${fresh}</UploadId></InitiateMultipartUploadResult>`
      )
    }
    const upload = uploads.get(id)
    if (upload === undefined) return problem(404, "NoSuchUpload")
    if (request.method === "PUT") {
      const bytes = await request.bytes()
      upload.set(Number(url.searchParams.get("partNumber")), bytes)
      return new Response(null, { headers: { etag: etag(bytes) } })
    }
    uploads.delete(id)
    if (request.method === "DELETE") return new Response(null, { status: 204 })
    const inOrder = [...upload].sort(([one], [other]) => one - other).map(([, bytes]) => bytes)
    objects.set(name, new Uint8Array(Buffer.concat(inOrder)))
    return xml(
      `<CompleteMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${name}</Key><ETag>"parts"</ETag></CompleteMultipartUploadResult>`
    )
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const url = new URL(request.url)
      if (!request.headers.get("authorization")?.includes(`Credential=${key}/`))
        return problem(403, "InvalidAccessKeyId")
      const [, first, ...rest] = decodeURIComponent(url.pathname).split("/")
      if (first !== bucket) return problem(404, "NoSuchBucket")
      const name = rest.join("/")
      if (name === "") return list(url)
      if (refusesWrites && request.method !== "GET") return problem(503, "SlowDown")
      if (url.searchParams.has("uploads") || url.searchParams.has("uploadId"))
        return parts(request, url, name)
      if (request.method === "PUT") {
        const bytes = await request.bytes()
        objects.set(name, bytes)
        return new Response(null, { headers: { etag: etag(bytes) } })
      }
      if (request.method === "DELETE") {
        objects.delete(name)
        return new Response(null, { status: 204 })
      }
      const bytes = objects.get(name)
      return bytes === undefined
        ? problem(404, "NoSuchKey")
        : new Response(request.method === "HEAD" ? null : new Blob([bytes as Uint8Array<ArrayBuffer>]), {
            headers: { etag: etag(bytes), "content-length": String(bytes.length) }
          })
    }
  })

  return {
    url: server.url.href,
    keys: () => [...objects.keys()].sort(),
    unfinished: () => uploads.size,
    refuseWrites: () => {
      refusesWrites = true
    },
    stop: () => server.stop(true)
  }
}
