/**
 * A simulated process: fibers, a clock and dice of their own, and nothing that outlives it.
 *
 * When it is killed, no fiber of it takes another step: nothing is interrupted, no finalizer runs, and what it kept in
 * memory is out of reach. When it stands still, it goes on with what fell due meanwhile all at once.
 */
import { Clock, Context, Duration, Effect, Random, Scheduler } from "effect"
import { Complaints, makeComplaints } from "../../runtime/telemetry/complaints.ts"
import { type Line, type Owner, startMs, type World } from "./world.ts"

/** How many operations of a fiber go by, on average, before another one may be let in between. */
const yieldEvery = 400

/** What the monotonic clock of a process shows at first, in milliseconds: not 0, which would be before anything was. */
const monotonicStartMs = 1_000

export class Process implements Owner {
  readonly name: string
  readonly pid: number
  isAlive = true
  isPaused = false
  readonly backlog: Array<() => void> = []
  /** How far its wall clock is ahead of the world's, in milliseconds. */
  ahead = 0
  /** What is closed for it, by others, when it is gone. */
  readonly onGone = new Set<() => void>()
  readonly #world: World
  readonly context: Context.Context<never>

  constructor(world: World, name: string, pid: number) {
    this.#world = world
    this.name = name
    this.pid = pid
    this.context = Context.make(Clock.Clock, this.#clock()).pipe(
      Context.add(
        Complaints,
        makeComplaints(() => this.monotonicMs())
      ),
      Context.add(Scheduler.Scheduler, this.#scheduler()),
      Context.add(Random.Random, {
        nextDoubleUnsafe: () => world.random(),
        nextIntUnsafe: () => Math.floor((world.random() - 0.5) * 2 ** 53)
      })
    )
  }

  /** Starts a fiber of it. */
  fork<A, E>(effect: Effect.Effect<A, E>) {
    return Effect.runForkWith(this.context)(effect)
  }

  kill(): void {
    this.#world.bury(this)
    this.gone()
  }

  /** It is over, by a kill or by itself: others close what they kept open for it. */
  gone(): void {
    this.isAlive = false
    for (const close of this.onGone) close()
    this.onGone.clear()
  }

  /** Something it has to do without a fiber, as an immediate of plain code. */
  soon(task: () => void): void {
    if (this.isAlive) this.#world.wake({ owner: this, tasks: [[task, 0]] })
  }

  /** The same after so many milliseconds. */
  after(millis: number, task: () => void): () => void {
    return this.#world.after(millis, task, this)
  }

  wallMs(): number {
    return Math.floor(this.#world.now + this.ahead)
  }

  monotonicMs(): number {
    return this.#world.now - startMs + monotonicStartMs
  }

  #clock(): Clock.Clock {
    const nanos = (millis: number) => BigInt(Math.round(millis * 1_000)) * 1_000n
    const currentTimeMillisUnsafe = () => this.wallMs()
    const currentTimeNanosUnsafe = () => nanos(this.#world.now + this.ahead)
    const monotonicTimeNanosUnsafe = () => nanos(this.monotonicMs())
    return {
      currentTimeMillisUnsafe,
      currentTimeNanosUnsafe,
      monotonicTimeNanosUnsafe,
      currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
      currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
      sleep: (duration) => {
        const millis = Duration.toMillis(duration)
        if (millis <= 0) return Effect.yieldNow
        if (!Number.isFinite(millis)) return Effect.never
        return Effect.callback<void>((resume) => {
          const callOff = this.#world.after(millis, () => resume(Effect.void), this)
          return Effect.sync(callOff)
        })
      }
    }
  }

  #scheduler(): Scheduler.Scheduler {
    const world = this.#world
    let left = 1 + world.chance.below(2 * yieldEvery)
    return {
      executionMode: "async",
      // Wherever a fiber may be told to yield, another one may come first.
      shouldYield: () => {
        left -= 1
        if (left > 0) return false
        left = 1 + world.chance.below(2 * yieldEvery)
        return true
      },
      makeDispatcher: () => {
        const line: Line = { owner: this, tasks: [] }
        const { tasks } = line
        return {
          scheduleTask: (task, priority) => {
            if (!this.isAlive) return
            let at = tasks.length
            while (at > 0 && tasks[at - 1]![1] > priority) at -= 1
            tasks.splice(at, 0, [task, priority])
            if (tasks.length === 1) world.wake(line)
          },
          flush: () => {
            for (let next = tasks.shift(); next !== undefined; next = tasks.shift()) next[0]()
          }
        }
      }
    }
  }
}
