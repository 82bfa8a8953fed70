/** What is kept of the news of all tasks: the newest, how many came lately, and whether there are too many to be told one by one. */

/** How many are shown. */
const keptMax = 50

/** More than so many in a second are too many to follow: the browser and the API would do little else. */
export const floodRate = 300
const windowMs = 2_000

/** What is told. Progress is shown where a task is. */
export const newsTypes = [
  "task.submitted",
  "task.rescheduled",
  "task.started",
  "task.retrying",
  "task.completed",
  "task.dead",
  "task.cancelled",
  "task.expired"
]

export const noNews = { news: [], since: 0, heard: 0, isFlooded: false, hasGap: false }

/** The feed after some frames came at a time, in milliseconds. */
export const noteNews = (feed, frames, now) => {
  const events = frames.filter(({ event }) => event.startsWith("task."))
  const isNew = now - feed.since >= windowMs
  const heard = (isNew ? 0 : feed.heard) + events.length
  return {
    news: [...events.map(({ data, id }) => ({ ...data, place: id })).toReversed(), ...feed.news].slice(
      0,
      keptMax
    ),
    since: isNew ? now : feed.since,
    heard,
    isFlooded: feed.isFlooded || heard > (floodRate * windowMs) / 1_000,
    hasGap: feed.hasGap || frames.some(({ event }) => event === "gap")
  }
}
