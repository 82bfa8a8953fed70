/** What has become of a task, as a line to read and as an object for programs: decisions over plain values. */
import type { LifecycleEvent, LifecycleNews } from "../client/effect.ts"
import { lifecycleJson } from "../http/lifecycle-view.ts"
import * as Output from "./output.ts"

const paints: Readonly<Record<string, (text: string) => string>> = {
  completed: Output.green,
  failed: Output.red,
  dead: Output.red,
  expired: Output.red,
  retrying: Output.yellow,
  cancelled: Output.yellow
}

const plain = (text: string) => text

/** What only some events have to say. */
const moreOf = ({ attempt, dueAt, progress, type, worker }: LifecycleEvent): string => {
  if (dueAt !== undefined) return `due ${new Date(dueAt).toISOString()}`
  if (type === "task.started") return `attempt ${attempt}${worker === undefined ? "" : ` on ${worker}`}`
  if (progress !== undefined)
    return `${Math.round(progress.fraction * 100)} % ${progress.message ?? ""}`.trimEnd()
  return attempt > 0 && type !== "task.completed" ? `attempt ${attempt}` : ""
}

/** A line: columns on a terminal, else fields between tabs. */
export const lifecycleText = (event: LifecycleEvent, terminal: boolean): string => {
  const type = event.type.replace("task.", "")
  const time = new Date(event.at).toISOString()
  const more = Output.tame(moreOf(event))
  if (!terminal) return [time, type, event.task, event.name, more].join("\t")
  const paint = paints[type] ?? plain
  // On a terminal the day is known.
  return `${time.slice(11, 23)}  ${paint(type.padEnd(9))}  ${event.task}  ${event.name}  ${more}`.trimEnd()
}

/** As the event stream of HTTP has it. */
export const newsJson = (news: LifecycleNews): object => ("at" in news ? lifecycleJson(news) : news)
