/**
 * The agents of one partition whose messages a worker incarnation handles: each handles one at a time, in the order they
 * were claimed, and keeps its state at hand for a while.
 *
 * A state that is kept is used only where the store says, with the claim, that nobody has written it since. So a message is
 * handled with the state that its predecessors left, stored or about to be; where that turns out to be wrong its end is
 * refused, and it is handled again.
 */
import { Effect, Exit, Fiber, Schedule, type Scope } from "effect"
import { Agents, type StoredAgent } from "../../runtime/agents.ts"
import type { AgentAddress } from "../../runtime/mailbox.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import { upkeepPause } from "../../runtime/upkeep.ts"

/** How many agents' states are kept at most, and how many characters of JSON; over it those that were idle longest go. */
export const keptMax = 10_000
export const keptCharactersMax = 64 * 1024 * 1024

/** The least time between two looks at what has been idle for long enough: each looks at all that is kept. */
const sweepEveryMs = 100

/** How many states one read asks for. */
const loadMax = 250

const loadAgain = Schedule.min([Schedule.exponential("25 millis"), Schedule.spaced("1 second")])

/** A claimed message that waits for those before it. */
export interface Waiting {
  readonly entry: Entry
  readonly address: AgentAddress
  readonly passivateMs: number
  /** Handles it now, with this. */
  readonly begin: (stored: StoredAgent) => void
  /** It is not handled now: hands it back. */
  readonly handBack: () => void
}

/** What came of a message that was begun. */
export type Came =
  /** The next one goes on with what it left. */
  | { readonly kind: "handled"; readonly next: StoredAgent }
  /** It was cancelled, or is not ours any more: it has changed nothing. */
  | { readonly kind: "nothing" }
  /** It is to be handled again before the others, or nothing more is to be handled. */
  | { readonly kind: "blocked" }

interface Cell {
  readonly address: AgentAddress
  readonly passivateMs: number
  readonly queue: Array<Waiting>
  current: Waiting | undefined
  stored: StoredAgent | undefined
  /** Whether its state is being read, or it is among those that go on once the lease is certain: then nothing is begun. */
  isAwaited: boolean
  idleSince: number
}

export interface Cells {
  /** What a turn said of the agents whose messages it claimed; before these are added. */
  readonly turned: (agents: ReadonlyArray<readonly [AgentAddress, revision: string]>) => void
  readonly add: (message: Waiting) => void
  readonly ended: (message: Waiting, came: Came) => void
  /** Takes back a message that has not begun; says whether that was so. */
  readonly leave: (message: Waiting) => boolean
  /**
   * What a message did was refused: the state at hand is not what is stored. It is to be handled again, and before those
   * behind it, which are handed back.
   */
  readonly refused: (address: AgentAddress) => void
  /** How many agents' states are at hand. */
  readonly size: () => number
}

export const openCells = Effect.fnUntraced(function* (options: {
  readonly partition: Partition
  readonly mono: () => number
  /** Whether what was claimed is the worker's own still: nothing is begun while that is unknown. */
  readonly holdsLease: () => boolean
}): Effect.fn.Return<Cells, never, Agents | Scope.Scope> {
  const { holdsLease, mono, partition } = options
  const agents = yield* Agents
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const cells = new Map<AgentAddress, Cell>()
  const flying = new Set<Fiber.Fiber<unknown, unknown>>()
  let told: ReadonlySet<AgentAddress> = new Set()
  const wanted: Array<Cell> = []
  /** Those that would go on if the lease were certain. */
  const held: Array<Cell> = []
  let characters = 0
  let closed = false

  const fly = <A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void) => {
    const fiber = fork(effect)
    flying.add(fiber)
    fiber.addObserver((exit) => {
      flying.delete(fiber)
      if (!closed) then(exit)
    })
    return fiber
  }

  const keep = (cell: Cell, stored: StoredAgent | undefined) => {
    characters += charactersOf(stored) - charactersOf(cell.stored)
    cell.stored = stored
  }

  const loadAll = () => {
    const some = wanted.splice(0, loadMax)
    if (wanted.length > 0) queueMicrotask(loadAll)
    const load = agents.load(
      partition,
      some.map(({ address }) => address)
    )
    // Who cannot read cannot settle either: the lease says how long that may go on.
    fly(Effect.retry(load, loadAgain), (exit) => {
      for (const [at, cell] of some.entries()) {
        cell.isAwaited = false
        if (Exit.isSuccess(exit)) keep(cell, exit.value[at])
        proceed(cell)
      }
    })
  }

  /** Begins the first message that waits, if none is being handled. */
  const proceed = (cell: Cell) => {
    // Those that it was asked to begin with may have left meanwhile, and others have come.
    if (cell.current !== undefined || cell.isAwaited) return
    const [first] = cell.queue
    if (first === undefined) return rest(cell)
    if (!holdsLease()) {
      cell.isAwaited = true
      held.push(cell)
      return
    }
    const { stored } = cell
    if (stored === undefined) {
      cell.isAwaited = true
      wanted.push(cell)
      if (wanted.length === 1) queueMicrotask(loadAll)
      return
    }
    cell.queue.shift()
    cell.current = first
    first.begin(stored)
  }

  // -------------------------------------------------------------------------------------------------------
  // What is kept
  // -------------------------------------------------------------------------------------------------------

  const isIdle = ({ current, isAwaited, queue }: Cell) =>
    current === undefined && queue.length === 0 && !isAwaited

  const drop = (cell: Cell) => {
    keep(cell, undefined)
    cells.delete(cell.address)
  }

  const rest = (cell: Cell) => {
    cell.idleSince = mono()
    // In the order in which they came to rest.
    cells.delete(cell.address)
    cells.set(cell.address, cell)
    for (const other of cells.values()) {
      if (cells.size <= keptMax && characters <= keptCharactersMax) break
      if (isIdle(other)) drop(other)
    }
    sweepBy(cell.idleSince + cell.passivateMs)
  }

  /** When what is kept is looked at next, by our monotonic clock. */
  let sweepsAt = Number.POSITIVE_INFINITY
  let sweeper: Fiber.Fiber<unknown> | undefined

  const sweepBy = (time: number) => {
    const at = Math.max(time, mono() + sweepEveryMs)
    // What ends after all else was closed leaves nothing that would keep the process.
    if (closed || sweepsAt <= at) return
    sweepsAt = at
    sweeper?.interruptUnsafe()
    sweeper = fly(upkeepPause(at - mono()), (exit) => {
      // One that was interrupted has made way for an earlier one.
      if (Exit.isSuccess(exit)) sweep()
    })
  }

  const sweep = () => {
    const now = mono()
    let next = Number.POSITIVE_INFINITY
    for (const cell of cells.values()) {
      if (!isIdle(cell)) continue
      const until = cell.idleSince + cell.passivateMs
      if (until <= now) drop(cell)
      else next = Math.min(next, until)
    }
    sweepsAt = Number.POSITIVE_INFINITY
    if (next < Number.POSITIVE_INFINITY) sweepBy(next)
  }

  yield* Effect.addFinalizer(() => {
    closed = true
    return Fiber.interruptAll(flying)
  })

  const cellOf = ({ address, passivateMs }: Waiting): Cell => {
    const cell = cells.get(address) ?? {
      address,
      passivateMs,
      queue: [],
      current: undefined,
      stored: undefined,
      isAwaited: false,
      idleSince: 0
    }
    cells.set(address, cell)
    return cell
  }

  return {
    turned: (all) => {
      told = new Set(all.map(([address]) => address))
      for (const cell of held.splice(0)) {
        cell.isAwaited = false
        proceed(cell)
      }
      for (const [address, revision] of all) {
        const cell = cells.get(address)
        if (cell?.stored !== undefined && cell.stored.revision !== revision) keep(cell, undefined)
      }
    },
    add: (message) => {
      const cell = cellOf(message)
      const waits = cell.current !== undefined || cell.queue.length > 0
      cell.queue.push(message)
      // One that did not come from its agent's box comes without a word of the state.
      if (!told.has(message.address)) keep(cell, undefined)
      if (!waits) proceed(cell)
    },
    ended: (message, came) => {
      const cell = cells.get(message.address)
      if (cell?.current !== message) return
      cell.current = undefined
      keep(cell, came.kind === "handled" && cell.stored !== undefined ? came.next : undefined)
      if (came.kind === "blocked") for (const waiting of cell.queue.splice(0)) waiting.handBack()
      proceed(cell)
    },
    leave: (message) => {
      const queue = cells.get(message.address)?.queue ?? []
      const at = queue.indexOf(message)
      if (at < 0) return false
      queue.splice(at, 1)
      return true
    },
    refused: (address) => {
      const cell = cells.get(address)
      if (cell === undefined) return
      keep(cell, undefined)
      for (const waiting of cell.queue.splice(0)) waiting.handBack()
    },
    size: () => cells.size
  }
})

const charactersOf = (stored: StoredAgent | undefined) => stored?.state?.json.length ?? 0
