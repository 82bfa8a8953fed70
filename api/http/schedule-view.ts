/** Schedules as JSON: times in ISO 8601. */
import type { ScheduleDetail, ScheduleView, SlotView } from "../../actors/schedule/view.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** Absent fields stay absent. */
const timesOf = <const Name extends string>(times: { readonly [name in Name]: number | undefined }) =>
  Object.fromEntries(
    Object.entries<number | undefined>(times).flatMap(([name, millis]) =>
      millis === undefined ? [] : [[name, iso(millis)]]
    )
  ) as { [name in Name]?: string }

const slotJson = ({ at, slot, to, ...note }: SlotView) => ({
  slot: iso(slot),
  ...timesOf({ to }),
  at: iso(at),
  ...note
})

export const schedulePath = (id: string, base = "") => `${base}/v1/schedules/${id}`

export const scheduleJson = (schedule: ScheduleView) => {
  const { at, createdAt, lastRun, nextRuns, startAt, updatedAt, waiting, ...rest } = schedule
  return {
    ...rest,
    ...timesOf({ at, startAt, waiting }),
    nextRuns: nextRuns.map(iso),
    ...(lastRun === undefined ? {} : { lastRun: slotJson(lastRun) }),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt)
  }
}

export const scheduleDetailJson = ({ history, ...schedule }: ScheduleDetail) => ({
  ...scheduleJson(schedule),
  history: history.map(slotJson)
})

/** What is shown of a schedule and cannot be said of one: whoever sends back what was shown says nothing with it. */
const shown = ["nextRuns", "lastRun", "waiting", "createdAt", "updatedAt", "history"]

export const withoutShown = (body: unknown): unknown =>
  typeof body === "object" && body !== null && !Array.isArray(body)
    ? Object.fromEntries(Object.entries(body).filter(([name]) => !shown.includes(name)))
    : body
