/**
 * Where a walk along a shelf stands, between two of its pieces: a text that a caller may keep and bring back.
 *
 * It names the last task that was given, not a number of tasks, so that a walk goes on where it was although tasks come
 * and go behind it.
 */
import { sha256 } from "./digest.ts"
import type { Shelf } from "./operations.ts"
import { lanes } from "./task.ts"

/** The mailboxes that are not boxes, in the order in which they are walked. */
export const lists = [...lanes, "suspects"] as const
export type ListName = (typeof lists)[number]

export type Place =
  /** `all`: what is below an id, or in older segments than the one named. */
  | { readonly kind: "below"; readonly id: string }
  /** `later`, `dead`: what comes after a member. */
  | { readonly kind: "scored"; readonly score: number; readonly member: string }
  /** `running`: what a worker holds after an entry, and all of the workers that follow. */
  | { readonly kind: "held"; readonly worker: string; readonly entry: string }
  /** `waiting`: a lane, or the suspects, after an entry that was found just before an index. */
  | { readonly kind: "list"; readonly list: ListName; readonly at: number; readonly entry: string }
  /** `waiting`: a group of boxes from one on, whose name is hashed; in that one as in a list. */
  | {
      readonly kind: "boxes"
      readonly group: string
      readonly box: string
      readonly at: number
      readonly entry: string
    }
  /** `waiting`: a group of tasks that wait for children, after an id. */
  | { readonly kind: "parents"; readonly group: string; readonly id: string }

/** A box's name as cursors have it: short, and of letters that need no care. */
export const hashOfBox = (name: string): string => sha256(name).slice(0, 16)

/** An alarm's sign stands in cursors as a letter that begins no id. */
const signs = { "!": "x", "#": "d" } as const
const memberText = (member: string) => member.replace(/^[!#]/, (sign) => signs[sign as keyof typeof signs])
const memberOf = (text: string) => text.replace(/^[xd]/, (letter) => (letter === "x" ? "!" : "#"))

export const writeCursor = (place: Place): string => {
  switch (place.kind) {
    case "below":
      return place.id
    case "scored":
      return `${place.score}:${memberText(place.member)}`
    case "held":
      return `${place.worker}:${place.entry}`
    case "list":
      return `${place.list}:${place.at}:${place.entry}`
    case "boxes":
      return `boxes:${place.group}:${place.box}:${place.at}:${place.entry}`
    case "parents":
      return `parents:${place.group}:${place.id}`
  }
}

const ulid = "[0-9A-HJKMNP-TV-Z]{26}"
const entry = `${ulid}[a-zA-Z]\\d{1,9}`

const below = /^[0-9A-HJKMNP-TV-Z]{8}(?:[0-9A-HJKMNP-TV-Z]{18})?$/
const scored = new RegExp(`^(\\d{1,16}(?:\\.\\d{1,6})?):([xd]?${ulid}(?:[a-zA-Z]\\d{1,9})?)$`)
const held = new RegExp(`^([\\w.|-]{1,150}):(${entry}|)$`)
const list = new RegExp(`^(${lists.join("|")}):(\\d{1,10}):(${entry}|)$`)
const boxes = new RegExp(`^boxes:(\\d{1,20}):([0-9a-f]{16}|):(\\d{1,10}):(${entry}|)$`)
const parents = new RegExp(`^parents:(\\d{1,20}):(${ulid}|)$`)

/** The place that a cursor of this shelf names; `undefined` when it is none. */
export const readCursor = (shelf: Shelf, text: string): Place | undefined => {
  if (shelf === "all") return below.test(text) ? { kind: "below", id: text } : undefined
  if (shelf === "dead" || shelf === "later") {
    const found = scored.exec(text)
    return found === null
      ? undefined
      : { kind: "scored", score: Number(found[1]), member: memberOf(found[2]!) }
  }
  if (shelf === "running") {
    const found = held.exec(text)
    return found === null ? undefined : { kind: "held", worker: found[1]!, entry: found[2]! }
  }
  const [, name, listAt, listEntry] = list.exec(text) ?? []
  if (name !== undefined)
    return { kind: "list", list: name as ListName, at: Number(listAt), entry: listEntry! }
  const [, group, box, boxAt, boxEntry] = boxes.exec(text) ?? []
  if (group !== undefined) return { kind: "boxes", group, box: box!, at: Number(boxAt), entry: boxEntry! }
  const [, parentGroup, id] = parents.exec(text) ?? []
  return parentGroup === undefined ? undefined : { kind: "parents", group: parentGroup, id: id! }
}

export const isCursorOf = (shelf: Shelf, text: string): boolean => readCursor(shelf, text) !== undefined
