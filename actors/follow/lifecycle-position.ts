/**
 * Where a listener stands in the logs of all queues, as one text: `<partition>@<epoch>.<number>`, in base 36, a comma between
 * two. It is the `id` of an event.
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

/** How long a position may be: that of some hundred queues. */
export const positionMax = 12_000

const one = /^([a-z0-9][a-z0-9_-]{0,62}\.\d{1,4})@([0-9a-z]{1,10})\.([0-9a-z]{1,10})$/

export const placesText = (places: Places): string => {
  let text = ""
  for (const [partition, { epoch, number }] of places) {
    text += `${text === "" ? "" : ","}${partition}@${epoch.toString(36)}.${number.toString(36)}`
  }
  return text
}

export const readPlaces = (text: string): Result.Result<Places, LifecyclePositionInvalid> => {
  const places: Places = new Map()
  if (text.length > positionMax) return Result.fail(new LifecyclePositionInvalid({ text }))
  for (const part of text.split(",")) {
    const [, partition, epoch, number] = one.exec(part) ?? []
    if (partition === undefined) return Result.fail(new LifecyclePositionInvalid({ text }))
    places.set(partition, { epoch: Number.parseInt(epoch!, 36), number: Number.parseInt(number!, 36) })
  }
  return Result.succeed(places)
}
