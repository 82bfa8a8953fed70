/** How a vector is written in an output. */

/** Enough digits that reading them gives the same 32-bit float. */
const digits = 9

export const encodeVector = (
  vector: Float32Array,
  encoding: "float" | "base64"
): ReadonlyArray<number> | string =>
  encoding === "base64"
    ? new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength).toBase64()
    : Array.from(vector, (component) => Number(component.toPrecision(digits)))

/** How many characters of JSON vectors take at most. */
export const outputCharacters = (count: number, dimensions: number, encoding: "float" | "base64"): number =>
  count * (encoding === "base64" ? Math.ceil((dimensions * 4) / 3) + 8 : dimensions * (digits + 6) + 4)
