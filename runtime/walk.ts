/**
 * Walks along the shelves of a partition, a piece at a time: the same steps in both stores, which differ in how they
 * read a part of a mailbox.
 *
 * `all` goes strictly downwards by id, so that nothing is given twice; and a segment is read before the dead letters of
 * its time, so that a task which fails in between is in one of them, or in both.
 */
import { Effect } from "effect"
import { hashOfBox, type ListName, lists, type Place, readCursor, writeCursor } from "./cursor.ts"
import { type Piece, pieceMax, type Shelf } from "./operations.ts"
import { StoreError } from "./store.ts"
import type { WorkerId } from "./turn.ts"
import { type Entry, idIn, type Partition, ulidOfEntry } from "./task.ts"

type Read<A> = Effect.Effect<A, StoreError>

/** Some members of a set that is too large to be read whole, and where the next ones are; `"0"` after the last. */
export interface Group {
  readonly members: ReadonlyArray<string>
  readonly next: string
}

/** Ids, and in how many segments they were found. */
export interface Found {
  readonly ids: ReadonlyArray<string>
  readonly read: number
}

/** How a store reads parts of one partition. Indexes count from the oldest, and the last one is not included. */
export interface Reader {
  readonly list: (name: ListName, from: number, to: number) => Read<ReadonlyArray<Entry>>
  readonly boxes: (group: string) => Read<Group>
  readonly box: (name: string, from: number, to: number) => Read<ReadonlyArray<Entry>>
  /** The first `count` entries of several boxes. */
  readonly heads: (names: ReadonlyArray<string>, count: number) => Read<ReadonlyArray<ReadonlyArray<Entry>>>
  /** Ids of tasks that wait for children. */
  readonly parents: (group: string) => Read<Group>
  /**
   * Members with their scores from a score on: `later` upwards, `dead` downwards, `skip` of them left out, and `count`
   * at most.
   */
  readonly scored: (
    name: "later" | "dead",
    from: number | undefined,
    skip: number,
    count: number
  ) => Read<ReadonlyArray<readonly [member: string, score: number]>>
  readonly workers: Read<ReadonlyArray<WorkerId>>
  readonly held: (worker: WorkerId) => Read<ReadonlyArray<Entry>>
  /** The newest segments that may hold ids below one, or older than a segment; `count` at most. */
  readonly segments: (below: string | undefined, count: number) => Read<ReadonlyArray<string>>
  /** The ids in the first of some segments, in as many of them as have `enough` together: one at least. */
  readonly idsIn: (segments: ReadonlyArray<string>, enough: number) => Read<Found>
  /** The newest dead letters from one text on and below another; fewer than `count` only when there are no more. */
  readonly letters: (from: string, below: string | undefined, count: number) => Read<ReadonlyArray<string>>
}

/** What a step found: ulids, and where the next step begins. */
interface Step {
  readonly ulids: ReadonlyArray<string>
  readonly next: Place | undefined
}

/** How many segments, or workers, one piece looks into. */
const segmentsMax = 200
const workersMax = 50

/** How many steps one piece of `waiting` takes, and how many boxes are looked into at once. */
const stepsMax = 20
const boxesAtOnce = 16

/**
 * How far back in a mailbox the entry that was given last is looked for. When more than that were claimed between two
 * pieces, as many as there were beyond are passed over.
 */
const lookBackMax = 4_000

// ---------------------------------------------------------------------------------------------------------
// all
// ---------------------------------------------------------------------------------------------------------

const all = Effect.fnUntraced(function* (reader: Reader, place: Place | undefined, most: number) {
  const below = place?.kind === "below" ? place.id : undefined
  const segments = yield* reader.segments(below, segmentsMax)
  const found: Found = segments.length === 0 ? { ids: [], read: 0 } : yield* reader.idsIn(segments, most)
  const ids = new Set(below === undefined ? found.ids : found.ids.filter((id) => id < below))
  const isLast = found.read === segments.length && segments.length < segmentsMax
  const floor = isLast ? "" : segments[found.read - 1]!
  const letters = yield* reader.letters(floor, below, most)
  for (const id of letters) ids.add(id)
  const ulids = [...ids].sort().reverse().slice(0, most)
  const next = ids.size > most || letters.length === most ? ulids.at(-1) : isLast ? undefined : floor
  return { ulids, next: next === undefined ? undefined : { kind: "below", id: next } } satisfies Step
})

// ---------------------------------------------------------------------------------------------------------
// later, dead
// ---------------------------------------------------------------------------------------------------------

const isAlarm = (member: string) => /^[!#]/.test(member)

const scored = Effect.fnUntraced(function* (
  reader: Reader,
  name: "later" | "dead",
  place: Place | undefined,
  most: number
) {
  const from = place?.kind === "scored" ? place : undefined
  const comesAfter = ([member, score]: readonly [string, number]) =>
    from === undefined ||
    score !== from.score ||
    (name === "later" ? member > from.member : member < from.member)
  // Many may have the score of the one that was given last: all of those up to it are passed over.
  for (let skip = 0; ; skip += most) {
    const page = yield* reader.scored(name, from?.score, skip, most)
    const rest = page.filter(comesAfter)
    if (rest.length === 0 && page.length === most) continue
    const last = rest.at(-1)
    return {
      ulids: rest.flatMap(([member]) => (isAlarm(member) ? [] : [ulidOfEntry(member)])),
      next:
        last === undefined || page.length < most
          ? undefined
          : { kind: "scored", member: last[0], score: last[1] }
    } satisfies Step
  }
})

// ---------------------------------------------------------------------------------------------------------
// running
// ---------------------------------------------------------------------------------------------------------

const running = Effect.fnUntraced(function* (reader: Reader, place: Place | undefined, most: number) {
  const from = place?.kind === "held" ? place : { worker: "", entry: "" }
  const workers = (yield* reader.workers).filter((worker) => worker >= from.worker).toSorted()
  const ulids: Array<string> = []
  let last = from
  for (const [looked, worker] of workers.entries()) {
    if (looked === workersMax || ulids.length === most) {
      return { ulids, next: { kind: "held", ...last } } satisfies Step
    }
    const after = worker === from.worker ? from.entry : ""
    const entries = (yield* reader.held(worker)).filter((entry) => entry > after).toSorted()
    const given = entries.slice(0, most - ulids.length)
    for (const entry of given) ulids.push(ulidOfEntry(entry))
    last = { worker, entry: given.at(-1) ?? after }
    if (given.length < entries.length) return { ulids, next: { kind: "held", ...last } } satisfies Step
  }
  return { ulids, next: undefined } satisfies Step
})

// ---------------------------------------------------------------------------------------------------------
// waiting
// ---------------------------------------------------------------------------------------------------------

/** Where something begins in a mailbox, and the entry that was given before it. */
interface Spot {
  readonly at: number
  readonly entry: string
}

/**
 * What follows a spot in a mailbox. What stood before the entry that was given last has been claimed when that entry
 * is not there any more, for a mailbox is emptied from its head.
 */
const follow = Effect.fnUntraced(function* (
  read: (from: number, to: number) => Read<ReadonlyArray<Entry>>,
  { at, entry }: Spot,
  room: number
) {
  const from = Math.max(0, at - lookBackMax)
  const part = yield* read(from, at + room)
  const start = entry === "" ? 0 : part.indexOf(entry) + 1
  const entries = part.slice(start, start + room)
  const end = start + entries.length
  return {
    entries,
    isEnd: end === part.length && part.length < at + room - from,
    spot: { at: from + end, entry: entries.at(-1) ?? entry } satisfies Spot
  }
})

const start: Place = { kind: "list", list: lists[0], at: 0, entry: "" }
const firstBoxes: Place = { kind: "boxes", group: "0", box: "", at: 0, entry: "" }
const firstParents: Place = { kind: "parents", group: "0", id: "" }

const stepOfList = Effect.fnUntraced(function* (
  reader: Reader,
  place: Extract<Place, { kind: "list" }>,
  room: number
) {
  const { entries, isEnd, spot } = yield* follow((from, to) => reader.list(place.list, from, to), place, room)
  const following = lists[lists.indexOf(place.list) + 1]
  const next: Place = isEnd
    ? following === undefined
      ? firstBoxes
      : { ...start, list: following }
    : { ...place, ...spot }
  return { ulids: entries.map(ulidOfEntry), next } satisfies Step
})

const stepOfBoxes = Effect.fnUntraced(function* (
  reader: Reader,
  place: Extract<Place, { kind: "boxes" }>,
  room: number
) {
  const { members, next: following } = yield* reader.boxes(place.group)
  const boxes = members
    .map((name) => ({ name, hash: hashOfBox(name) }))
    .filter(({ hash }) => hash >= place.box)
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
  const ulids: Array<string> = []
  // The box in which the last piece ended, if one did, from there on.
  const [first] = boxes
  if (first !== undefined && first.hash === place.box) {
    const { entries, isEnd, spot } = yield* follow(
      (from, to) => reader.box(first.name, from, to),
      place,
      room
    )
    ulids.push(...entries.map(ulidOfEntry))
    if (!isEnd) return { ulids, next: { ...place, ...spot } } satisfies Step
    boxes.shift()
  }
  for (let at = 0; at < boxes.length; at += boxesAtOnce) {
    const some = boxes.slice(at, at + boxesAtOnce)
    const heads = yield* reader.heads(
      some.map(({ name }) => name),
      room
    )
    for (const [index, entries] of heads.entries()) {
      const box = some[index]!.hash
      const left = room - ulids.length
      if (left === 0) return { ulids, next: { ...place, box, at: 0, entry: "" } } satisfies Step
      const given = entries.slice(0, left)
      ulids.push(...given.map(ulidOfEntry))
      if (given.length === left) {
        return { ulids, next: { ...place, box, at: left, entry: given.at(-1)! } } satisfies Step
      }
    }
  }
  const next: Place = following === "0" ? firstParents : { ...firstBoxes, group: following }
  return { ulids, next } satisfies Step
})

const stepOfParents = Effect.fnUntraced(function* (
  reader: Reader,
  place: Extract<Place, { kind: "parents" }>,
  room: number
) {
  const { members, next: following } = yield* reader.parents(place.group)
  const rest = members.filter((id) => id > place.id).toSorted()
  const ulids = rest.slice(0, room)
  const next: Place | undefined =
    rest.length > room
      ? { ...place, id: ulids.at(-1)! }
      : following === "0"
        ? undefined
        : { ...firstParents, group: following }
  return { ulids, next } satisfies Step
})

const stepOfWaiting = (reader: Reader, place: Place, room: number): Read<Step> => {
  if (place.kind === "list") return stepOfList(reader, place, room)
  if (place.kind === "boxes") return stepOfBoxes(reader, place, room)
  if (place.kind === "parents") return stepOfParents(reader, place, room)
  return Effect.succeed({ ulids: [], next: undefined })
}

const waiting = Effect.fnUntraced(function* (reader: Reader, place: Place | undefined, most: number) {
  const ulids: Array<string> = []
  let next: Place | undefined = place ?? start
  for (let step = 0; step < stepsMax && next !== undefined && ulids.length < most; step++) {
    const found: Step = yield* stepOfWaiting(reader, next, most - ulids.length)
    ulids.push(...found.ulids)
    next = found.next
  }
  return { ulids, next } satisfies Step
})

// ---------------------------------------------------------------------------------------------------------

/** A piece of a shelf, as `Operations.scan` promises it. */
export const walk = Effect.fnUntraced(function* (
  reader: Reader,
  partition: Partition,
  shelf: Shelf,
  cursor: string | undefined,
  wanted: number
) {
  const most = Math.max(1, Math.min(wanted, pieceMax))
  const place = cursor === undefined ? undefined : readCursor(shelf, cursor)
  if (cursor !== undefined && place === undefined) {
    return yield* new StoreError({
      operation: "Operations.scan",
      cause: new Error(`cursor: "${cursor}" is none of ${shelf}`)
    })
  }
  const step: Step = yield* shelf === "all"
    ? all(reader, place, most)
    : shelf === "running"
      ? running(reader, place, most)
      : shelf === "waiting"
        ? waiting(reader, place, most)
        : scored(reader, shelf, place, most)
  return {
    ids: step.ulids.map((ulid) => idIn(partition, ulid)),
    next: step.next === undefined ? undefined : writeCursor(step.next)
  } satisfies Piece
})
