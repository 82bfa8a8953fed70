/** What becomes of tasks is noted in memory: the readable specification of `runtime/lua/lib/lives.lua`. */
import { cutHead, type LifeKind, livesMax } from "../lifecycle.ts"
import { type Entry, runOfEntry, ulidOfEntry } from "../task.ts"
import type { WorkerId } from "../turn.ts"
import type { Cells } from "./cells.ts"

/** What `control.listened` says, while that holds; one that nobody has renewed goes. */
export const epochOf = ({ control }: Pick<Cells, "control">, now: number): number | undefined => {
  const [until, epoch] = (control.get("listened") ?? "").split(" ").map(Number)
  if (until === undefined || epoch === undefined) return undefined
  if (until > now) return epoch
  control.delete("listened")
  return undefined
}

/** Notes what has become of a task, if somebody listens. */
export const noteLife = (
  cells: Cells,
  now: number,
  {
    attempt,
    kind,
    more = "",
    record,
    ulid
  }: {
    readonly kind: LifeKind
    readonly ulid: string
    readonly attempt: number
    readonly record: string
    readonly more?: string
  }
): void => {
  const epoch = epochOf(cells, now)
  if (epoch === undefined) return
  const { lifecycle } = cells
  const last = lifecycle.at(-1)
  const number = last?.epoch === epoch ? last.number + 1 : 1
  lifecycle.push({ epoch, number, kind, ulid, attempt, at: now, head: cutHead(record), more })
  if (lifecycle.length > livesMax) lifecycle.splice(0, lifecycle.length - livesMax)
  cells.tellListeners()
}

/** Notes that a worker has claimed a task. */
export const noteStart = (
  cells: Cells,
  now: number,
  { entry, record }: { readonly entry: Entry; readonly record: string },
  worker: WorkerId
): void =>
  noteLife(cells, now, {
    kind: "started",
    ulid: ulidOfEntry(entry),
    attempt: runOfEntry(entry),
    record,
    more: JSON.stringify({ worker })
  })
