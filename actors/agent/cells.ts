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

/** How many agents' states are kept at most; over it the one that was idle longest goes. */
export const keptMax = 10_000

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
  idleSince: number
}

export interface Cells {
  /** What a turn said of the agents whose messages it claimed; before these are added. */
  readonly turned: (agents: ReadonlyArray<readonly [AgentAddress, revision: string]>) => void
  readonly add: (message: Waiting) => void
  readonly ended: (message: Waiting, came: Came) => void
  /** Takes back a message that has not begun; says whether that was so. */
  readonly leave: (message: Waiting) => boolean
  /** The state at hand is not what is stored. */
  readonly forget: (address: AgentAddress) => void
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
  let sweeping = false
  let closed = false

  const fly = <A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void) => {
    const fiber = fork(effect)
    flying.add(fiber)
    fiber.addObserver((exit) => {
      flying.delete(fiber)
      if (!closed) then(exit)
    })
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
        if (Exit.isSuccess(exit)) cell.stored = exit.value[at]!
        proceed(cell)
      }
    })
  }

  /** Begins the first message that waits, if none is being handled. */
  const proceed = (cell: Cell) => {
    const [first] = cell.queue
    if (first === undefined) return rest(cell)
    if (!holdsLease()) {
      held.push(cell)
      return
    }
    const { stored } = cell
    if (stored === undefined) {
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

  const isIdle = ({ current, queue }: Cell) => current === undefined && queue.length === 0

  const rest = (cell: Cell) => {
    cell.idleSince = mono()
    // In the order in which they came to rest.
    cells.delete(cell.address)
    cells.set(cell.address, cell)
    if (cells.size > keptMax) {
      for (const other of cells.values()) {
        if (!isIdle(other)) continue
        cells.delete(other.address)
        break
      }
    }
    if (sweeping) return
    sweeping = true
    fly(Effect.sleep(cell.passivateMs), () => {
      sweeping = false
      sweep()
    })
  }

  const sweep = () => {
    const now = mono()
    let next: Cell | undefined
    for (const cell of cells.values()) {
      if (!isIdle(cell)) continue
      if (now - cell.idleSince >= cell.passivateMs) cells.delete(cell.address)
      else next ??= cell
    }
    if (next === undefined || sweeping) return
    sweeping = true
    fly(Effect.sleep(Math.max(1, next.idleSince + next.passivateMs - now)), () => {
      sweeping = false
      sweep()
    })
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
      idleSince: 0
    }
    cells.set(address, cell)
    return cell
  }

  return {
    turned: (all) => {
      told = new Set(all.map(([address]) => address))
      for (const cell of held.splice(0)) if (cell.current === undefined) proceed(cell)
      for (const [address, revision] of all) {
        const cell = cells.get(address)
        if (cell?.stored !== undefined && cell.stored.revision !== revision) cell.stored = undefined
      }
    },
    add: (message) => {
      const cell = cellOf(message)
      const waits = cell.current !== undefined || cell.queue.length > 0
      cell.queue.push(message)
      // One that did not come from its agent's box comes without a word of the state.
      if (!told.has(message.address)) cell.stored = undefined
      if (!waits) proceed(cell)
    },
    ended: (message, came) => {
      const cell = cells.get(message.address)
      if (cell?.current !== message) return
      cell.current = undefined
      cell.stored = came.kind === "handled" && cell.stored !== undefined ? came.next : undefined
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
    forget: (address) => {
      const cell = cells.get(address)
      if (cell !== undefined) cell.stored = undefined
    },
    size: () => cells.size
  }
})
