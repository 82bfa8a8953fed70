/** How somebody behaves, by when and where they did something: over plain values. */

/** Something that somebody did, a message or an event. */
export interface Deed {
  /** Unix milliseconds. */
  readonly at: number
  /** What it was, as `purchase`; `message` for messages. */
  readonly type: string
  readonly channel?: string | undefined
  /** What it was worth, in whatever unit the caller counts. */
  readonly value?: number | undefined
}

export type Trend = "rising" | "steady" | "falling"

export interface Behaviour {
  readonly count: number
  /** ISO 8601. */
  readonly firstAt?: string
  readonly lastAt?: string
  /** Whole and parts of days since the last deed. */
  readonly recencyDays?: number
  readonly tenureDays?: number
  /** Of the last 90 days, or of all the time there is where that is less. */
  readonly perWeek: number
  /** How many in each hour of the day, from midnight. */
  readonly hours: ReadonlyArray<number>
  /** How many on each day of the week, from Monday. */
  readonly weekdays: ReadonlyArray<number>
  /** What part came by each channel. */
  readonly channels: Readonly<Record<string, number>>
  readonly types: Readonly<Record<string, number>>
  readonly value: number
  /** The last 30 days against the 30 before, from -1 (it stopped) to 1 (it began). */
  readonly change: number
  readonly trend: Trend
}

export const dayMs = 86_400_000

/** Below this a change is none: what comes now and then differs by so much without a reason. */
const steadyMax = 0.2

/** From -1 to 1: nothing now, the same, nothing before. */
export const changeOf = (before: number, now: number): number =>
  before + now === 0 ? 0 : (now - before) / (now + before)

export const trendOf = (change: number): Trend =>
  change > steadyMax ? "rising" : change < -steadyMax ? "falling" : "steady"

const rounded = (number: number, digits = 3) => Number(number.toFixed(digits))

const counted = <K extends string>(keys: Iterable<K>) => {
  const counts = new Map<K, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  // Names are callers' own, so none may reach a prototype.
  return Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a))
}

/** Deeds after `asOf`, in Unix milliseconds, have not happened yet. */
export const behaviourOf = (deeds: ReadonlyArray<Deed>, asOf: number, timeZone: string): Behaviour => {
  const done = deeds.filter(({ at }) => at <= asOf).toSorted((a, b) => a.at - b.at)
  const within = (from: number, to: number) =>
    done.filter(({ at }) => at > asOf - from * dayMs && at <= asOf - to * dayMs).length
  const first = done[0]?.at
  const last = done.at(-1)?.at
  const tenureDays = first === undefined ? undefined : (asOf - first) / dayMs
  const weeks = Math.max(1, Math.min(90, tenureDays ?? 0) / 7)
  const hours = Array.from({ length: 24 }, () => 0)
  const weekdays = Array.from({ length: 7 }, () => 0)
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hour: "2-digit",
    weekday: "short",
    hourCycle: "h23"
  })
  for (const { at } of done) {
    const parts = clock.formatToParts(at)
    const part = (type: string) => parts.find((one) => one.type === type)!.value
    hours[Number(part("hour"))]! += 1
    weekdays[days.indexOf(part("weekday"))]! += 1
  }
  const channels = counted(done.flatMap(({ channel }) => (channel === undefined ? [] : [channel])))
  const channelTotal = Object.values(channels).reduce((sum, count) => sum + count, 0)
  const change = changeOf(within(60, 30), within(30, 0))
  return {
    count: done.length,
    ...(first === undefined || last === undefined
      ? {}
      : {
          firstAt: new Date(first).toISOString(),
          lastAt: new Date(last).toISOString(),
          recencyDays: rounded((asOf - last) / dayMs, 2),
          tenureDays: rounded((asOf - first) / dayMs, 2)
        }),
    perWeek: rounded(within(90, 0) / weeks),
    hours,
    weekdays,
    channels: Object.fromEntries(
      Object.entries(channels).map(([channel, count]) => [channel, rounded(count / channelTotal)])
    ),
    types: counted(done.map(({ type }) => type)),
    value: done.reduce((sum, { value = 0 }) => sum + value, 0),
    change: rounded(change),
    trend: trendOf(change)
  }
}

const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
