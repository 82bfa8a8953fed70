/**
 * What goes wrong again and again, as the log is told of it: once, again once a minute while it lasts, and when it is over.
 *
 * All parts of a process share what was said: when Redis is gone, each of them finds out, and tries again and again.
 */
import { Context, Duration, Effect } from "effect"

/** How soon the log is told of the same cause again, in milliseconds. */
const againAfterMs = 60_000

/** For how long nothing must have gone wrong until it counts as over, in milliseconds: longer than a call that gets no answer. */
export const overAfterMs = 10_000

/** How many causes of one complaint are told in a minute. */
const causesMax = 10

export interface Complaint {
  /** It went wrong. Tells the log, unless it was told of the same cause lately. */
  readonly wrong: (why: string) => Effect.Effect<void>
  /** It went well: what tells the log that it is over, if that is news. Cheap while nothing is wrong. */
  readonly well: () => Effect.Effect<void> | undefined
}

export interface Complaints {
  /** What the log is told when something goes wrong, followed by why; and once it does not any more. */
  readonly about: (what: string, over: string) => Complaint
}

/** Something that goes wrong, or did so lately. */
interface Trouble {
  active: boolean
  /** Whether the log has been told since it was last over. */
  told: boolean
  since: number
  wrongAt: number
  /** How often it went wrong since the log was last told. */
  untold: number
  /** When each cause was told last. */
  readonly toldAt: Map<string, number>
}

export const makeComplaints = (nowMs: () => number = () => performance.now()): Complaints => {
  const troubles = new Map<string, Trouble>()

  /** Whether the log is to be told of a cause now. */
  const isNews = ({ toldAt }: Trouble, why: string, now: number) => {
    for (const [cause, at] of toldAt) if (now - at >= againAfterMs) toldAt.delete(cause)
    return !toldAt.has(why) && toldAt.size < causesMax
  }

  const wrong = (what: string, why: string) =>
    Effect.suspend(() => {
      const now = nowMs()
      const trouble: Trouble = troubles.get(what) ?? {
        active: false,
        told: false,
        since: now,
        wrongAt: now,
        untold: 0,
        toldAt: new Map()
      }
      troubles.set(what, trouble)
      if (!trouble.active) trouble.since = now
      trouble.active = true
      trouble.wrongAt = now
      if (!isNews(trouble, why, now)) {
        trouble.untold += 1
        return Effect.void
      }
      const more = trouble.untold === 0 ? "" : `; ${trouble.untold} times more since this was last said`
      trouble.told = true
      trouble.untold = 0
      trouble.toldAt.set(why, now)
      return Effect.logWarning(`${what}: ${why}${more}`)
    })

  const well = (what: string, over: string) => {
    const trouble = troubles.get(what)
    if (trouble === undefined || !trouble.active || nowMs() - trouble.wrongAt < overAfterMs) return undefined
    trouble.active = false
    if (!trouble.told) return undefined
    trouble.told = false
    const lasted = Duration.seconds(Math.round((trouble.wrongAt - trouble.since) / 1_000))
    return Effect.logInfo(`${over}${Duration.isZero(lasted) ? "" : `, after ${Duration.format(lasted)}`}`)
  }

  return { about: (what, over) => ({ wrong: (why) => wrong(what, why), well: () => well(what, over) }) }
}

/** What this process complains of. */
export const Complaints = Context.Reference<Complaints>("troupe/Complaints", {
  defaultValue: () => makeComplaints()
})
