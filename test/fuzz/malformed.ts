/** Malformed values: at random, and as good ones with something about them that is not. */
import fc from "fast-check"

/** Texts that have hurt others. */
const nasty = [
  "",
  " ",
  "\0",
  "\r\nx: y",
  "..",
  "../../etc/passwd",
  "%",
  "%00",
  "%zz",
  "__proto__",
  "constructor",
  "null",
  "undefined",
  "NaN",
  "-1",
  "1e999",
  "9007199254740993",
  "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  "default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV",
  "{default.0}",
  "*",
  "\u202E",
  "\uD800",
  "😀",
  "a".repeat(70_000)
]

export const text = fc.oneof(
  fc.constantFrom(...nasty),
  fc.string({ unit: "binary", maxLength: 64 }),
  fc.string({ maxLength: 300 })
)

const number = fc.oneof(
  fc.constantFrom(-1, -0, 0.5, 1e21, Number.MAX_SAFE_INTEGER + 2, -1e308, 2 ** 31, 2 ** 53),
  fc.integer(),
  fc.double({ noNaN: true })
)

/** Any JSON, now and then with names that some take for more. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ readonly value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom(null, true, false, [], {}),
    text,
    number,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom("__proto__", "constructor", "name", "input"), text),
      tie("value"),
      {
        maxKeys: 4
      }
    )
  )
})).value

/** Every place in a JSON value, as the names that lead to it. */
const placesIn = (value: unknown, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> => [
  at,
  ...(typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([name, part]) => placesIn(part, [...at, name]))
    : [])
]

const replacedAt = (value: unknown, [name, ...rest]: ReadonlyArray<string>, put: unknown): unknown => {
  if (name === undefined) return put
  if (Array.isArray(value))
    return value.map((part, at) => (String(at) === name ? replacedAt(part, rest, put) : part))
  const object = value as Readonly<Record<string, unknown>>
  return { ...object, [name]: replacedAt(object[name], rest, put) }
}

/** A good value with something else in one of its places, or with a field too many. */
export const broken = (good: unknown): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.tuple(fc.constantFrom(...placesIn(good)), json).map(([place, put]) => replacedAt(good, place, put)),
    fc
      .tuple(text, json)
      .map(([name, put]) =>
        typeof good === "object" && good !== null && !Array.isArray(good) ? { ...good, [name]: put } : put
      ),
    json
  )

/** Bytes that are no JSON, or too much of it. */
export const noJson: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    "{",
    '{"name":',
    '{"a":1}{"b":2}',
    "[".repeat(100_000),
    `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`,
    "\uFEFF{}",
    "nul",
    '{"name":"strict","name":"test"}',
    "{'name':'strict'}",
    `"${"x".repeat(2_000_000)}"`
  ),
  text,
  fc.tuple(json, fc.nat(40)).map(([value, cut]) => (JSON.stringify(value) ?? "x").slice(0, -1 - cut))
)
