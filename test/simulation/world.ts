/**
 * A world of which nothing is left to chance but what its seed decides: its time, who runs next, and every number that is
 * drawn in it.
 *
 * Processes live in it side by side. Each step runs one task of one fiber, of whichever process the seed picks, and all
 * that follows from it without waiting. Time stands still for as long as anybody can run, and then moves to the next
 * thing that is due. So a run of the world takes no time of its own, and the same seed makes it again.
 */
import { drainMicrotasks } from "bun:jsc"
import { chanceOf, type Chance } from "../support/chance.ts"

/** What has been put off to a time, in the order of their times. */
interface Due {
  readonly at: number
  /** What decides between things that are due at the same time. */
  readonly turn: number
  readonly owner: Owner | undefined
  /** `undefined` once it was called off. */
  run: (() => void) | undefined
}

/** Whose steps these are: what is dead takes none any more, and what stands still takes them when it goes on. */
export interface Owner {
  readonly name: string
  isAlive: boolean
  isPaused: boolean
  /** What fell due while it stood still. */
  readonly backlog: Array<() => void>
}

/** Tasks that run one after the other. */
export interface Line {
  readonly owner: Owner
  readonly tasks: Array<readonly [task: () => void, priority: number]>
}

/** How often it is looked whether what a run waits for holds, in milliseconds. */
const lookEveryMs = 20

/** What the world's clock shows at first, in Unix milliseconds: the beginning of 2030, in UTC. */
export const startMs = Date.UTC(2030, 0, 1)

const isBefore = (one: Due, other: Due) => one.at < other.at || (one.at === other.at && one.turn < other.turn)

/** FNV-1a over the characters of a text. */
const mixed = (hash: number, text: string): number => {
  let mixing = hash
  for (let at = 0; at < text.length; at++) mixing = Math.imul(mixing ^ text.charCodeAt(at), 16_777_619)
  return mixing >>> 0
}

export class World {
  readonly chance: Chance
  now = startMs
  /** Whose step is being taken. */
  current: Owner | undefined
  steps = 0
  readonly #due: Array<Due> = []
  readonly #lines: Array<Line> = []
  #turns = 0
  #hash = 2_166_136_261
  readonly #trace: Array<string> | undefined

  constructor(seed: number, traces: boolean) {
    this.chance = chanceOf(seed)
    this.#trace = traces ? [] : undefined
  }

  /** Writes down what happens; what is too long to be read is only counted into the hash. */
  say(text: string, unread = ""): void {
    const at = (this.now - startMs).toFixed(3)
    this.#hash = mixed(mixed(mixed(this.#hash, at), text), unread)
    this.#trace?.push(`${at.padStart(11)} ${text}`)
  }

  get trace(): ReadonlyArray<string> {
    return this.#trace ?? []
  }

  /** The same for two runs in which the same has happened at the same times. */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, "0")
  }

  /** A number from 0 to less than 1. */
  random(): number {
    return this.chance.below(2 ** 32) / 2 ** 32
  }

  /** Does something so many milliseconds later; calling what it gives calls it off. */
  after(millis: number, run: () => void, owner?: Owner): () => void {
    const due: Due = { at: this.now + Math.max(0, millis), turn: this.#turns++, owner, run }
    this.#push(due)
    return () => {
      due.run = undefined
    }
  }

  /** A line has its first task. */
  wake(line: Line): void {
    this.#lines.push(line)
  }

  /** What an owner has put off is dropped, as it will never run. */
  bury(owner: Owner): void {
    owner.isAlive = false
    owner.backlog.length = 0
    for (let at = this.#lines.length - 1; at >= 0; at--) {
      if (this.#lines[at]!.owner === owner) this.#lines.splice(at, 1)[0]!.tasks.length = 0
    }
  }

  /** Lets what stood still go on with all that has fallen due meanwhile. */
  resume(owner: Owner): void {
    owner.isPaused = false
    for (const run of owner.backlog.splice(0)) this.after(0, run, owner)
  }

  /** One step in somebody's name, with what follows from it at once. */
  as(owner: Owner | undefined, run: () => void): void {
    const before = this.current
    this.current = owner
    this.steps += 1
    run()
    drainMicrotasks()
    this.current = before
  }

  /** Runs until something holds, looked at once in a while; or up to a time, or so many steps. Says whether it held. */
  run(until: () => boolean, { at, steps }: { readonly at: number; readonly steps: number }): boolean {
    const most = this.steps + steps
    let lookAt = this.now
    while (this.steps < most) {
      if (this.#step()) continue
      if (this.now >= lookAt) {
        if (until()) return true
        lookAt = this.now + lookEveryMs
      }
      const due = this.#due[0]
      if (due === undefined || due.at > at) {
        this.now = Math.max(this.now, at)
        return false
      }
      this.#pop()
      const { owner, run } = due
      if (run === undefined || owner?.isAlive === false) continue
      this.now = Math.max(this.now, due.at)
      if (owner?.isPaused) owner.backlog.push(run)
      else this.as(owner, run)
    }
    throw new Error(`it has not come to rest after ${steps} steps`)
  }

  /** Runs one task of one line, whichever chance picks. */
  #step(): boolean {
    const lines = this.#lines
    let count = lines.length
    while (count > 0) {
      const at = count === 1 ? 0 : this.chance.below(count)
      const line = lines[at]!
      if (line.owner.isPaused) {
        // It takes its turn when it goes on.
        lines[at] = lines[count - 1]!
        lines[count - 1] = line
        count -= 1
        continue
      }
      const [task] = line.tasks.shift()!
      if (line.tasks.length === 0) {
        lines[at] = lines[count - 1]!
        lines[count - 1] = lines.at(-1)!
        lines.pop()
      }
      this.as(line.owner, task)
      return true
    }
    return false
  }

  #push(due: Due): void {
    const heap = this.#due
    heap.push(due)
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(heap[at]!, heap[parent]!)) break
      ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
      at = parent
    }
  }

  #pop(): void {
    const heap = this.#due
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      let least = at
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left
      if (left + 1 < heap.length && isBefore(heap[left + 1]!, heap[least]!)) least = left + 1
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
}
