/**
 * Finds the pages of a site and has each fetched, as a task of `crawl.fetch`: from where it is told to begin, from sitemaps
 * and from links, in waves, as far as scope, depth and number allow and robots.txt does not forbid.
 *
 * It holds no worker while pages are fetched. What it has learned of each wave is remembered, so a run that is repeated
 * goes on where the last one was, and fetches no page again. Safe to repeat.
 */
import { Effect, Layer, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import {
  type AttemptOver,
  type ChildOutcome,
  CurrentTask,
  defineTask,
  type EventRefused
} from "../../runtime/handler.ts"
import { normalise } from "../crawl/address.ts"
import {
  apply,
  begin,
  digest,
  type Digest,
  emptyFrontier,
  type Fetched,
  joined,
  nextWave,
  type Outcome,
  parted,
  type Target,
  type Visit
} from "../crawl/frontier.ts"
import { Robots } from "../crawl/robots.ts"
import { Scope, within } from "../crawl/scope.ts"
import { linksMost, manner, userAgentDefault } from "../crawl-fetch/index.ts"
import { exactly } from "../input/exactly.ts"
import { guardedNetwork } from "../network/guard.ts"
import { askHosts, readSitemaps, sitemapsNamed } from "./hosts.ts"

const startsMax = 100
const pagesDefault = 200
const pagesMaxMax = 5_000
const depthDefault = 5
const depthMaxMax = 50
const similarDefault = 500

/** How many pages are submitted, or told of, at once. */
const atOnce = 16

/** How many pages the output names; the file names all. */
const pagesTold = 1_000

const input = Schema.Struct({
  start: Schema.Array(
    Schema.String.check(
      Schema.makeFilter(
        (url) => normalise(url) !== undefined || "must be an http or https URL without a password"
      )
    )
  ).check(Schema.isMinLength(1), Schema.isMaxLength(startsMax)),
  scope: Schema.optionalKey(Scope),
  pagesMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pagesMaxMax }))),
  depthMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: depthMaxMax }))),
  similarMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pagesMaxMax }))),
  /** Whether sitemaps are read. Default `true`. */
  sitemaps: Schema.optionalKey(Schema.Boolean),
  /** How many pages of one host are fetched at once. Default 1. */
  connections: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 }))),
  ...manner
})

const PageSeen = Schema.Struct({
  url: Schema.String,
  depth: Schema.Int,
  file: Schema.optionalKey(Schema.String),
  title: Schema.optionalKey(Schema.String)
})

const output = Schema.Struct({
  /** Pages that were kept, without duplicates: the first thousand. */
  pages: Schema.Array(PageSeen),
  /** All pages that were asked for, an object a line. */
  list: Schema.String,
  fetched: Schema.Int,
  kept: Schema.Int,
  duplicates: Schema.Int,
  failed: Schema.Int,
  /** Addresses that were not asked for: reason → how many. */
  leftOut: Schema.Record(Schema.String, Schema.Int)
})

/** `crawl.discover`: finds the pages of a site. */
export const crawlDiscover = defineTask.effect({
  name: "crawl.discover",
  queue: "crawl",
  input: exactly(input),
  output,
  layer: Robots.layer.pipe(Layer.provideMerge(Layer.merge(Files.layer, guardedNetwork))),

  run: Effect.fn("crawl.discover")(function* (given) {
    const task = yield* CurrentTask
    const start = given.start.flatMap((url) => normalise(url) ?? [])
    const frontier = emptyFrontier({
      pagesMax: given.pagesMax ?? pagesDefault,
      depthMax: given.depthMax ?? depthDefault,
      similarMax: given.similarMax ?? similarDefault,
      belongs: within(given.scope ?? {}, start)
    })
    const userAgent = given.userAgent ?? userAgentDefault
    begin(frontier, start)
    for (const origin of originsOf(start)) {
      const named = yield* task.step(`robots ${origin}`.slice(0, 128), sitemapsNamed(origin, userAgent))
      if (given.sitemaps !== false)
        begin(frontier, yield* readSitemaps(origin, named, userAgent, frontier.bounds))
    }
    for (let number = 1; ; number++) {
      const wave = nextWave(frontier)
      if (wave.length === 0 && frontier.pending.length === 0) break
      // What was decided is remembered, and not why: a robots.txt may be longer than what a step holds.
      const isAllowed = yield* task.step(`robots of wave ${number}`, askHosts(wave, userAgent))
      const allowed = wave.filter((_, at) => isAllowed[at])
      const forbidden = wave.length - allowed.length
      if (forbidden > 0) frontier.leftOut["robots"] = (frontier.leftOut["robots"] ?? 0) + forbidden
      const children = yield* submitAll(allowed, given, start)
      const learned = yield* remembered(
        `wave ${number}`,
        Effect.map(task.all(children, { onFailure: "collect" }), (outcomes) =>
          digest(frontier, allowed, outcomes.map(outcomeOf))
        )
      )
      // Followers hear of a wave once, whatever runs come after it.
      yield* task.step(
        `told of wave ${number}`,
        tellOf(learned.visits, frontier.visits.length, frontier.taken)
      )
      apply(frontier, learned)
    }
    const list = yield* task.step("list", keepList(frontier.visits))
    return summary(frontier.visits, frontier.leftOut, list)
  })
})

const originsOf = (urls: ReadonlyArray<string>) => [...new Set(urls.map((url) => new URL(url).origin))]

// ---------------------------------------------------------------------------------------------------------
// Waves
// ---------------------------------------------------------------------------------------------------------

/** A task for each page. Those of one host wait for each other, by their key, in as many rows as it may have connections. */
const submitAll = Effect.fnUntraced(function* (
  wave: ReadonlyArray<Target>,
  { bytesMax, connections = 1, delayMs, scope = {}, types, userAgent }: typeof input.Type,
  start: ReadonlyArray<string>
) {
  const task = yield* CurrentTask
  const rows = new Map<string, number>()
  const shared = {
    scope,
    // For its hosts alone, which a scope may name itself: a crawl of many pages does not store all of it with each.
    ...(scope.hosts === undefined ? { start: originsOf(start) } : {}),
    linksMax: linksMost,
    ...(bytesMax === undefined ? {} : { bytesMax }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(types === undefined ? {} : { types }),
    ...(userAgent === undefined ? {} : { userAgent })
  }
  return yield* Effect.forEach(
    wave,
    ({ url }) => {
      const { host } = new URL(url)
      const row = (rows.get(host) ?? 0) % connections
      rows.set(host, row + 1)
      return task.submit("crawl.fetch", { url, ...shared }, { key: keyOfRow(host, row) })
    },
    { concurrency: atOnce }
  )
})

/** What was learned of a wave, remembered in as many steps as it takes. */
const remembered = Effect.fnUntraced(function* <E, R>(name: string, learn: Effect.Effect<Digest, E, R>) {
  const task = yield* CurrentTask
  // A later run that finds only some of the parts learns the same anew, from the same pages, and goes on after them.
  let parts: ReadonlyArray<Digest> | undefined
  const there: Array<Digest> = []
  for (let more = true; more;) {
    const at = there.length
    const { more: isMore = false, ...part } = yield* task.step(
      at === 0 ? name : `${name}, part ${at + 1}`,
      Effect.gen(function* () {
        parts ??= parted(yield* learn)
        const part: Digest & { readonly more?: boolean } = {
          ...(parts[at] ?? none),
          more: at + 1 < parts.length
        }
        return part
      })
    )
    there.push(part)
    more = isMore
  }
  return joined(there)
})

const none: Digest = { visits: [], found: [], leftOut: {} }

/** The first row of a host is that of `crawl.fetch` itself. */
const keyOfRow = (host: string, row: number) => (row === 0 ? host.slice(-128) : `${host.slice(-120)}#${row}`)

const outcomeOf = (outcome: ChildOutcome): Outcome =>
  outcome.state === "succeeded" ? { page: outcome.output as Fetched } : { error: outcome.error.type }

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const courteously = <R>(event: Effect.Effect<void, AttemptOver | EventRefused, R>) =>
  Effect.catchTag(event, "EventRefused", () => Effect.void)

const tellOf = (visits: ReadonlyArray<Visit>, before: number, taken: number) =>
  Effect.gen(function* () {
    const task = yield* CurrentTask
    yield* Effect.forEach(visits, (visit) => courteously(task.emit(visit)), {
      concurrency: atOnce,
      discard: true
    })
    const done = before + visits.length
    yield* courteously(
      task.progress(taken === 0 ? 1 : Math.min(1, done / taken), `${done} of ${taken} pages`)
    )
    return true
  })

// ---------------------------------------------------------------------------------------------------------
// The end
// ---------------------------------------------------------------------------------------------------------

const keepList = (visits: ReadonlyArray<Visit>) =>
  Effect.gen(function* () {
    const files = yield* Files
    const lines = new Blob(visits.map((visit) => `${JSON.stringify(visit)}\n`))
    const { id } = yield* files.upload(lines.stream(), { type: "application/x-ndjson" })
    return id
  })

const summary = (visits: ReadonlyArray<Visit>, leftOut: Readonly<Record<string, number>>, list: string) => {
  const kept = visits.filter(({ duplicateOf, file }) => file !== undefined && duplicateOf === undefined)
  return {
    pages: kept.slice(0, pagesTold).map(({ depth, file, title, url }) => ({
      url,
      depth,
      ...(file === undefined ? {} : { file }),
      ...(title === undefined ? {} : { title })
    })),
    list,
    fetched: visits.length,
    kept: kept.length,
    duplicates: visits.filter(({ duplicateOf }) => duplicateOf !== undefined).length,
    failed: visits.filter(({ error }) => error !== undefined).length,
    leftOut
  }
}
