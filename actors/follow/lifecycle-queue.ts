/** What all listeners of a process share of one queue's log: its newest notes, and where it ends. */
import type { Life, LifePlace } from "../../runtime/lifecycle.ts"
import type { Partition } from "../../runtime/task.ts"

/** How many notes one read asks for. */
export const pageMax = 200

/** How many of the newest notes are kept for those who keep up. */
const recentMax = 1_000

export const isAfter = (a: LifePlace, b: LifePlace): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.number > b.number)

export interface Log {
  readonly partition: Partition
  /** Before the first note that was heard of here. */
  readonly first: () => LifePlace
  /** The last note that was read here. */
  readonly tip: () => LifePlace
  /** The notes after a place; `undefined` when these are not all known here. */
  readonly after: (place: LifePlace) => ReadonlyArray<Life> | undefined
  readonly add: (lives: ReadonlyArray<Life>) => void
  /** The log was leased anew; says whether an epoch began meanwhile. */
  readonly renewed: (place: LifePlace) => boolean
}

/** `from` is where the log ended as it was leased. */
export const openLog = (partition: Partition, from: LifePlace): Log => {
  const recent: Array<Life> = []
  let floor = from
  let tip = from
  const first: LifePlace = { epoch: from.epoch, number: 0 }

  return {
    partition,
    first: () => first,
    tip: () => tip,
    after: (place) => {
      if (isAfter(floor, place)) return undefined
      let at = recent.length
      while (at > 0 && isAfter(recent[at - 1]!, place)) at--
      return recent.slice(at)
    },
    add: (lives) => {
      for (const life of lives) {
        if (!isAfter(life, tip)) continue
        recent.push(life)
        tip = { epoch: life.epoch, number: life.number }
      }
      const over = recent.length - recentMax
      if (over <= 0) return
      const { epoch, number } = recent[over - 1]!
      floor = { epoch, number }
      recent.splice(0, over)
    },
    renewed: (place) => {
      if (place.epoch <= tip.epoch) return false
      // What was noted of the old epoch is read by those who are behind; here it ends.
      tip = { epoch: place.epoch, number: 0 }
      floor = tip
      recent.length = 0
      return true
    }
  }
}
