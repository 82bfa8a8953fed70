/**
 * What lies between a simulated process and the store: every call takes its time, and any of them may be lost on its way
 * there, or its answer on its way back; it may run long after it was given up; or whoever made it dies over it.
 *
 * To the caller a call without an answer is a `StoreError`, whatever has become of it, as with a real Redis.
 */
import { Cause, Effect, Exit, Option } from "effect"
import { Fenced, StoreError } from "../../runtime/store.ts"
import type { Process } from "./process.ts"
import type { World } from "./world.ts"

/** Shares of all calls, from 0 to 1, to which something happens. */
export interface Weather {
  /** It never gets there. */
  readonly lost: number
  /** It runs, and its answer is lost. */
  readonly unanswered: number
  /** It runs after it was given up. */
  readonly late: number
  /** Its caller dies just before it runs, or just after. */
  readonly fatal: number
  /** A hint, an order or a bell that nobody hears. */
  readonly unheard: number
  /** It takes long. */
  readonly slow: number
}

export const fine: Weather = { lost: 0, unanswered: 0, late: 0, fatal: 0, unheard: 0, slow: 0 }

const isFenced = (error: unknown) => error instanceof Fenced

/** How long a caller waits for an answer, in milliseconds. */
const patienceMs = 2_000
/** How much later than that a call may still run. */
const lateMaxMs = 3_000
const slowMaxMs = 400

export interface Told {
  /** Something happened to a process that may cost runs. */
  readonly blow: (process: Process, op: "cut" | "paused" | "fenced") => void
  readonly kill: (process: Process) => void
  /** What a process had said before it died has reached the store only now: it may have prolonged its lease. */
  readonly late: () => void
}

export class Network {
  weather: Weather = fine
  /** While it is, no call gets through. */
  isDown = false
  /** How many calls are still to run that were given up. */
  late = 0
  /** When the last call was given up: who made it may say it again for a while, even if nobody waits for it any more. */
  givenUpAt = Number.NEGATIVE_INFINITY
  readonly #world: World
  readonly #told: Told

  constructor(world: World, told: Told) {
    this.#world = world
    this.#told = told
  }

  /** How long something is on its way, in milliseconds. */
  #way(): number {
    const { chance } = this.#world
    return chance.of(this.weather.slow) ? this.#world.random() * slowMaxMs : this.#world.random()
  }

  /** A call of a process, and what it comes to. `run` is what the store does, in one step. */
  call<A, E>(
    process: Process,
    operation: string,
    run: () => Exit.Exit<A, E>,
    about: ReadonlyArray<unknown>
  ): Effect.Effect<A, E | StoreError> {
    const world = this.#world
    return Effect.callback<A, E | StoreError>((resume) => {
      let listens = true
      const answer = (exit: Exit.Exit<A, E | StoreError>, afterMs: number) =>
        void world.after(
          afterMs,
          () => {
            if (listens) resume(exit)
          },
          process
        )
      const perform = (): Exit.Exit<A, E> => {
        const exit = run()
        // Its claims went back as a dead worker's: one that heard nothing for a lease counts as dead.
        if (Exit.isFailure(exit) && Option.exists(Cause.findErrorOption(exit.cause), isFenced))
          this.#told.blow(process, "fenced")
        world.say(`${process.name} ${operation} ${Exit.isSuccess(exit) ? "done" : "refused"}`, said(about))
        return exit
      }
      const unknown = (why: string, afterMs: number) => {
        world.say(`${process.name} ${operation} ${why}`, said(about))
        // Whatever was said with it, or claimed by it, is found out about later: that may cost a run.
        this.#told.blow(process, why === "runs late" ? "paused" : "cut")
        this.givenUpAt = world.now + afterMs
        answer(Exit.fail(new StoreError({ operation, cause: new Error(why) })), afterMs)
      }
      const fate = world.random()
      const { fatal, late, lost, unanswered } = this.weather
      const way = this.#way()
      // Either the connection was cut, which is seen at once, or nothing is heard any more.
      const untilKnown = way + (world.chance.of(0.5) ? world.random() * 5 : patienceMs)
      if (this.isDown) unknown("finds nobody", world.random() * 5)
      else if (fate < lost) unknown("is lost", untilKnown)
      else if (fate < lost + unanswered) {
        world.after(way, perform)
        unknown("is not answered", untilKnown)
      } else if (fate < lost + unanswered + late) {
        this.late += 1
        world.after(untilKnown + world.random() * lateMaxMs, () => {
          this.late -= 1
          perform()
          if (!process.isAlive) this.#told.late()
        })
        unknown("runs late", untilKnown)
      } else if (fate < lost + unanswered + late + fatal) {
        const first = world.chance.of(0.5)
        world.after(way, () => {
          if (!first && process.isAlive) perform()
          if (process.isAlive) this.#told.kill(process)
        })
      } else world.after(way, () => answer(perform(), this.#way()))
      return Effect.sync(() => {
        listens = false
      })
    })
  }

  /** Something that the store says of itself. Says whether it will be heard. */
  tell(process: Process, deliver: () => void): boolean {
    if (this.isDown || this.#world.chance.of(this.weather.unheard)) return false
    this.#world.after(this.#way(), deliver, process)
    return true
  }
}

const said = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part instanceof Map ? [...part] : part instanceof Set ? [...part] : part
  ) ?? ""
