/** Whether a fresh process is to take a worker's place: a decision over plain values. */
import { Duration } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"

/** How a worker process stands. */
export interface Wear {
  readonly done: number
  readonly memoryBytes: number
  readonly ageMs: number
}

/** The first reason to recycle it; `undefined` while there is none. */
export const reasonToRecycle = (
  settings: Pick<SettingsShape, "recycleTasks" | "recycleMemory" | "recycleAge">,
  { ageMs, done, memoryBytes }: Wear
): string | undefined => {
  const { recycleAge, recycleMemory, recycleTasks } = settings
  if (recycleTasks !== undefined && done >= recycleTasks) return `it has run ${done} tasks`
  const mebibytes = memoryBytes / 1024 / 1024
  if (recycleMemory !== undefined && mebibytes >= recycleMemory)
    return `it takes ${Math.round(mebibytes)} MiB of memory`
  if (recycleAge !== undefined && ageMs >= Duration.toMillis(recycleAge))
    return `it is ${Duration.format(Duration.seconds(Math.round(ageMs / 1_000)))} old`
  return undefined
}
