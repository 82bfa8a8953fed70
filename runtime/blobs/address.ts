/** Where files are kept, as a setting says it: a bucket, or else a folder. Read without Bun, which alone can open a bucket. */

/** The bucket and the prefix of an address; `undefined` when it is none. */
export const bucketOf = (
  address: string
): { readonly bucket: string; readonly prefix: string } | undefined => {
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(address) ?? []
  if (bucket === undefined) return undefined
  const words = prefix.split("/").filter((word) => word !== "")
  return { bucket, prefix: words.map((word) => `${word}/`).join("") }
}
