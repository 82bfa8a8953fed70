/** A schedule for people to read: a decision over plain values. */
import { Duration } from "effect"
import type { ScheduleDetail, ScheduleView, SlotView } from "../../actors/schedule/view.ts"
import * as Output from "./output.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** When it is due, in a few words. */
export const ruleText = ({ at, cron, everyMs, timeZone }: ScheduleView): string => {
  if (cron !== undefined) return `${cron} ${timeZone}`
  return everyMs === undefined ? `at ${iso(at!)}` : `every ${Duration.format(Duration.millis(everyMs))}`
}

/** Whether it will fire. */
export const standing = ({ nextRuns, paused, waiting }: ScheduleView): string =>
  paused ? "paused" : nextRuns.length > 0 || waiting !== undefined ? "active" : "over"

const outcomes = {
  submitted: "submitted",
  missed: "missed",
  overlap: "passed over: an earlier run had not ended",
  refused: "refused"
} as const

/** What became of a slot, in one line. */
export const slotText = ({ error, manual, outcome, slot, state, task, to }: SlotView): string =>
  [
    `${iso(slot)}${to === undefined ? "" : ` to ${iso(to)}`}`,
    manual ? "by hand" : "",
    task === undefined ? outcomes[outcome] : `${state ?? "no longer kept"}  ${task}`,
    error === undefined ? "" : Output.tame(error)
  ]
    .filter((part) => part !== "")
    .join("  ")

/** One line a field, the absent ones left out. */
export const scheduleText = (schedule: ScheduleDetail): string => {
  const { history, id, jitterMs, missed, name, nextRuns, overlap, queue, waiting } = schedule
  const list = (lines: ReadonlyArray<string>) =>
    lines.length > 0 && ["", ...lines.map((line) => `  ${line}`)].join("\n")
  const rows: ReadonlyArray<readonly [label: string, value: string | false | undefined]> = [
    ["id", id],
    ["name", name],
    ["state", standing(schedule)],
    ["when", ruleText(schedule)],
    ["jitter", jitterMs !== undefined && Duration.format(Duration.millis(jitterMs))],
    ["queue", queue],
    ["missed", missed],
    ["overlap", overlap],
    ["input", Output.tame(JSON.stringify(schedule.input)).slice(0, 200)],
    ["waiting", waiting !== undefined && `the run of ${iso(waiting)}, for the last one to end`],
    ["next", list(nextRuns.map(iso))],
    ["history", list(history.map(slotText))]
  ]
  return rows
    .flatMap(([label, value]) => (value ? [`${label.padEnd(11)}${value}`.replace(/ +\n/, "\n")] : []))
    .join("\n")
}
