/**
 * Where a listener stands in the logs of the queues that it follows, as one text: `<partition>@<epoch>.<number>`, in base 36, a
 * comma between two. It is the `id` of an event.
 *
 * It goes into a header, so its length is bounded: those that are left out are named by a `*` at its end, and who comes back
 * with it is told of a gap in each of them.
 */
import { Result, Schema } from "effect"
import type { LifePlace } from "../../runtime/lifecycle.ts"
import type { Partition } from "../../runtime/task.ts"

export type Places = Map<Partition, LifePlace>

/** The text is not the id of a lifecycle event. Leave it out to listen from now on. */
export class LifecyclePositionInvalid extends Schema.TaggedError<LifecyclePositionInvalid>()(
  "LifecyclePositionInvalid",
  { text: Schema.String }
) {
  override get message() {
    return `"${this.text.slice(0, 60)}" is not the id of a lifecycle event, such as default.0@m3k9x2ab.1c; leave it out to listen from now on`
  }
}

/** How long a position is at most, in characters: that of some hundred queues. */
export const positionMax = 7_000

/** The same of one that is sealed before it is told, which makes it a third longer. */
export const sealedPositionMax = 5_200

/** Stands for queues that a position has no room for. */
const others = "*"

const one = /^([a-z0-9][a-z0-9_-]{0,62}\.\d{1,4})@([0-9a-z]{1,10})\.([0-9a-z]{1,10})$/

/** The text of it, in `most` characters; `newest` is the queue that is never left out. */
export const placesText = (places: Places, newest?: Partition, most = positionMax): string => {
  const textOf = (partition: Partition) => {
    const { epoch, number } = places.get(partition)!
    return `${partition}@${epoch.toString(36)}.${number.toString(36)}`
  }
  let text = newest === undefined ? "" : textOf(newest)
  for (const partition of places.keys()) {
    if (partition === newest) continue
    const one = textOf(partition)
    if (text.length + one.length + 3 > most) return `${text},${others}`
    text += `${text === "" ? "" : ","}${one}`
  }
  return text
}

/** Where somebody stands who comes back: the queues that the position names, and whether there were more. */
export interface Return {
  readonly places: Places
  readonly more: boolean
}

export const readPlaces = (text: string): Result.Result<Return, LifecyclePositionInvalid> => {
  const places: Places = new Map()
  if (text.length > positionMax) return Result.fail(new LifecyclePositionInvalid({ text }))
  const more = text.endsWith(`,${others}`)
  for (const part of (more ? text.slice(0, -2) : text).split(",")) {
    const [, partition, epoch, number] = one.exec(part) ?? []
    if (partition === undefined) return Result.fail(new LifecyclePositionInvalid({ text }))
    places.set(partition, { epoch: Number.parseInt(epoch!, 36), number: Number.parseInt(number!, 36) })
  }
  return Result.succeed({ places, more })
}
