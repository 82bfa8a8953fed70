/**
 * What a host's robots.txt says, as RFC 9309 has it: a host without one (4xx) allows everything; one that cannot be asked
 * (5xx, no answer) allows nothing until it can.
 *
 * It is asked for once an hour and host; what it said lies beside the documents, for all workers.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { Files } from "../../runtime/files.ts"
import { Fatal } from "../../runtime/handler.ts"
import { Network } from "../../runtime/network/network.ts"
import { bodyOf, exchange } from "../network/exchange.ts"
import { optionalPackage } from "../packages/optional.ts"

/** What lines it has beyond are not read. RFC 9309 asks for 500 KiB at least. */
const bytesMax = 512 * 1024

/**
 * How many characters rules with stars may have in all; what comes after them is left out. Behind a star each character is
 * looked for in all of a path, so that a path is held against so many within a fifth of a second.
 */
const starredMax = 32 * 1024

const keptMs = Duration.toMillis("1 hour")

/** One that could not be asked is asked again after that. */
const unavailableMs = Duration.toMillis("1 minute")

const answerMax = Duration.seconds(20)

/** The longest pause between two requests that a host may wish. */
export const delayMaxMs = 60_000

/** `text` is empty where there is none; `unavailable` says why it could not be asked. */
export const Said = Schema.Struct({ text: Schema.String, unavailable: Schema.optionalKey(Schema.String) })
export type Said = typeof Said.Type

const Kept = Schema.fromJsonString(Schema.Struct({ at: Schema.Finite, said: Said }))

/** A host cannot be asked what it allows, so nothing is fetched from it. Worth another try later. */
export class RobotsUnavailable extends Schema.TaggedError<RobotsUnavailable>()("RobotsUnavailable", {
  host: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the robots.txt of ${this.host} cannot be read (${this.reason}), so nothing of it is fetched`
  }
}

export interface Rules {
  readonly isAllowed: (url: string) => boolean
  /** Between two requests, in milliseconds. */
  readonly delayMs: number
  readonly sitemaps: ReadonlyArray<string>
}

/** What a robots.txt means for a crawler that calls itself so. */
export const rulesOf = Effect.fnUntraced(function* (origin: string, said: Said, userAgent: string) {
  const { default: parse } = yield* optionalPackage("robots-parser", () => import("robots-parser"))
  const robots = parse(`${origin}/robots.txt`, meantFor(tokenOf(userAgent), said.text))
  const rules: Rules = {
    isAllowed: (url) => said.unavailable === undefined && robots.isAllowed(url) !== false,
    delayMs: Math.min(delayMaxMs, Math.max(0, Number(robots.getCrawlDelay()) || 0) * 1_000),
    sitemaps: robots.getSitemaps()
  }
  return rules
})

/** What a crawler is called in robots.txt: the first word, without its version. */
export const tokenOf = (userAgent: string): string => /^[^\s/]+/.exec(userAgent)?.[0] ?? "*"

/**
 * The groups of a robots.txt that name a crawler, else those for all, and its sitemaps, written as for all. The parser keeps
 * every rule for every name above it, so that a few thousand of each would take it half a minute and gigabytes.
 */
const meantFor = (token: string, text: string): string => {
  const name = token.toLowerCase()
  const own: Array<string> = []
  const all: Array<string> = []
  const sitemaps: Array<string> = []
  let [isOwn, isAll, isNaming] = [false, false, false]
  for (const whole of text.split(/\r\n|\r|\n/)) {
    const line = whole.split("#", 1)[0]!
    const colon = line.indexOf(":")
    const key = line.slice(0, Math.max(0, colon)).trim().toLowerCase()
    if (key === "") continue
    if (key === "user-agent") {
      const named = line
        .slice(colon + 1)
        .split("/", 1)[0]!
        .trim()
        .toLowerCase()
      isOwn = named === name || (isNaming && isOwn)
      isAll = named === "*" || (isNaming && isAll)
    } else if (key === "sitemap") sitemaps.push(line)
    else if (/^(allow|disallow|crawl-delay)$/.test(key)) {
      if (isOwn) own.push(line)
      if (isAll) all.push(line)
    }
    isNaming = key === "user-agent"
  }
  return ["User-agent: *", ...bounded(own.length > 0 ? own : all), ...sitemaps].join("\n")
}

/** The rules that a path can be held against in time. */
const bounded = (rules: ReadonlyArray<string>): ReadonlyArray<string> => {
  let left = starredMax
  return rules.filter((rule) => !rule.includes("*") || (left -= rule.length) >= 0)
}

export class Robots extends Context.Service<
  Robots,
  {
    /** What the robots.txt of an origin says. `Fatal` is of type `AddressNotAllowed`. */
    readonly of: (origin: string, userAgent: string) => Effect.Effect<Said, Fatal>
  }
>()("troupe/handlers/Robots") {
  static readonly layer = Layer.effect(
    Robots,
    Effect.gen(function* () {
      const files = yield* Files
      const network = yield* Network

      const readKept = (name: string) =>
        files.readObject(name).pipe(
          Effect.flatMap((bytes) => Schema.decodeEffect(Kept)(new TextDecoder().decode(bytes))),
          Effect.option
        )

      const of = Effect.fn("Robots.of")(function* (origin: string, userAgent: string) {
        const name = `crawl/robots/${createHash("sha256").update(origin).digest("hex").slice(0, 32)}.json`
        const now = yield* Clock.currentTimeMillis
        const kept = yield* readKept(name)
        if (Option.isSome(kept)) {
          const { at, said } = kept.value
          if (now - at < (said.unavailable === undefined ? keptMs : unavailableMs) && now >= at) return said
        }
        const said = yield* Effect.provideService(ask(origin, userAgent), Network, network)
        const text = yield* Effect.orDie(Schema.encodeEffect(Kept)({ at: now, said }))
        // Without it the next one asks again.
        yield* Effect.ignoreCause(files.writeObject(name, new TextEncoder().encode(text)))
        return said
      })

      return Robots.of({ of })
    })
  )
}

const unavailable = (reason: string): Said => ({ text: "", unavailable: reason })

/** As many as are read: half of `Disallow: /private` may forbid everything. */
const wholeLines = (bytes: Buffer): Buffer => {
  if (bytes.byteLength <= bytesMax) return bytes
  const read = bytes.subarray(0, bytesMax)
  return read.subarray(0, Math.max(read.lastIndexOf("\n"), read.lastIndexOf("\r")) + 1)
}

const ask = (origin: string, userAgent: string): Effect.Effect<Said, Fatal> =>
  Effect.gen(function* () {
    const answer = yield* exchange(new URL(`${origin}/robots.txt`), {
      method: "GET",
      headers: () => Effect.succeed({ accept: "text/plain", "user-agent": userAgent }),
      redirectsMax: 5
    })
    const { ok, status } = answer.response
    if (status >= 500 || status === 429) return unavailable(`the server answered ${status}`)
    if (!ok) return { text: "" }
    let bytes = 0
    const pieces = yield* bodyOf(answer, Number.MAX_SAFE_INTEGER).pipe(
      Stream.takeUntil((piece) => (bytes += piece.byteLength) > bytesMax),
      Stream.runCollect
    )
    return { text: new TextDecoder().decode(wholeLines(Buffer.concat(pieces))) }
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: answerMax,
      orElse: () => Effect.succeed(unavailable(`no answer within ${Duration.format(answerMax)}`))
    }),
    Effect.catch((error): Effect.Effect<Said, Fatal> => {
      if (!(error instanceof Fatal)) return Effect.succeed(unavailable(error.message))
      // A chain of redirects that has no end leads to no robots.txt.
      return error.name === "UrlRefused" ? Effect.succeed({ text: "" }) : Effect.fail(error)
    })
  )
