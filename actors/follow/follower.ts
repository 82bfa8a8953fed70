/**
 * One who follows a task: a position in its events, which takes what there is at its own pace.
 *
 * Taking costs no fiber, since there are many followers and much to take. One that is further behind than what the topic
 * keeps reads the store in pages; until a page is there, there is nothing to take.
 */
import { type Array as Arr, type Cause, Exit } from "effect"
import type { Position } from "../../runtime/store.ts"
import type { Standing } from "../../runtime/view.ts"
import type { TaskNotFound } from "../dispatch/replies.ts"
import type { Source } from "./source.ts"
import { type EndEvent, positionOf, type StoredEvent, type Topic } from "./topic.ts"

/** What a follower is told. Those with an `id` were stored: a follower that comes back goes on after the last one. */
export type FollowEvent =
  /** How the task stands: at first, and whenever that changes. */
  | ({ readonly type: "state" } & Standing)
  /** The run so far is void, with everything it put out: another one begins. */
  | { readonly type: "attempt"; readonly attempt: number; readonly reset: true }
  /** Events `from` to `to` of a run are no longer there to be read. */
  | { readonly type: "gap"; readonly attempt: number; readonly from: number; readonly to: number }
  | StoredEvent
  | EndEvent

/** How many events a follower that is behind reads at once: so many it may hold in memory. */
export const pageMax = 50

export type Follower = Source<FollowEvent, TaskNotFound>

/** What a page of the store said, and what the topic knew before it was read. */
interface Page {
  readonly events: ReadonlyArray<StoredEvent>
  readonly end: EndEvent | undefined
  readonly floor: Position | undefined
}

/** Opens a follower. `readPage` calls back with what is stored after a position. `close` ends it. */
export const openFollower = (
  topic: Topic,
  after: Position,
  readPage: (after: Position, done: (read: Exit.Exit<ReadonlyArray<StoredEvent>>) => void) => void
): Follower & { readonly close: () => void } => {
  let position = after
  let told: Standing | undefined
  let over = false
  let isReading = false
  let page: Page | undefined
  /** Why no page can be read. */
  let broken: Cause.Cause<never> | undefined
  let waiter: (() => void) | undefined

  const wake = () => {
    const woken = waiter
    waiter = undefined
    woken?.()
  }

  /** The event, and what has to be said before it. */
  const announce = (event: StoredEvent, said: Array<FollowEvent>) => {
    const { attempt, seq } = event
    if (position.run > 0 && attempt > position.run) said.push({ type: "attempt", attempt, reset: true })
    const expected = attempt === position.run ? position.seq + 1 : 1
    if (seq > expected) said.push({ type: "gap", attempt, from: expected, to: seq - 1 })
    position = positionOf(event)
    said.push(event)
  }

  /** The end, and that the last run, though it put out nothing, made void what an earlier one did. */
  const finish = (end: EndEvent, said: Array<FollowEvent>) => {
    over = true
    const attempt = Number.parseInt(end.id)
    if (position.run > 0 && attempt > position.run) said.push({ type: "attempt", attempt, reset: true })
    said.push(end)
  }

  /** What the topic knew is taken before the events are: they are then all there are. */
  const turnPage = () => {
    isReading = true
    const end = topic.end()
    const floor = topic.floor()
    readPage(position, (read) => {
      isReading = false
      if (Exit.isSuccess(read)) page = { events: read.value, end, floor }
      else broken = read.cause
      wake()
    })
  }

  const take: Follower["take"] = () => {
    while (true) {
      if (over) return "over"
      const failure = broken ?? topic.failure()
      if (failure !== undefined) return failure
      if (isReading) return "nothing"
      const end = page === undefined ? topic.end() : page.end
      const recent = page === undefined ? topic.recent(position) : undefined
      const events = page?.events ?? recent
      if (events === undefined) {
        turnPage()
        continue
      }
      const standing = topic.standing()
      const said: Array<FollowEvent> = []
      if (standing !== told && end === undefined) said.push({ type: "state", ...standing })
      told = standing
      for (const event of events) announce(event, said)
      if (events.length === 0 && end !== undefined) finish(end, said)
      if (page !== undefined) {
        // Whoever reads slower than the task emits would never find an empty page: a short one says as much.
        if (events.length < pageMax && end === undefined) topic.caughtUp(position, page.floor)
        page = undefined
      }
      if (said.length > 0) return said as unknown as Arr.NonEmptyReadonlyArray<FollowEvent>
      if (recent !== undefined) return "nothing"
    }
  }

  const close = topic.subscribe(wake)
  return {
    take,
    wait: (next) => {
      waiter = next
      return () => {
        if (waiter === next) waiter = undefined
      }
    },
    close
  }
}
