/**
 * The open web sockets of one app: they share a clock for their pings, and end together.
 *
 * Who is not let in soon, reads nothing for long, or answers no ping, is closed. So is everybody when this process goes away, with a word
 * before; and who was let in by a key that counts no more.
 */
import { Cause, type Context, Duration, Effect, type Fiber } from "effect"
import type { Drain } from "./drain.ts"
import { LettingIn } from "./letting-in.ts"
import type { ApiServices } from "./run.ts"
import { closes, Socket, type SocketOptions } from "./socket.ts"
import type { Upgraded } from "./wire.ts"

/** How long a client may take to say who it is. */
const letInWithin: Duration.Input = "10 seconds"

/** How long a client may give no sign of life: a living one answers a ping at each heartbeat. */
const silentDefault: Duration.Input = "30 seconds"

export interface SocketsOptions {
  readonly drain: Drain
  readonly heartbeat: Duration.Input
  /** How long a client may leave what was sent to it unread. */
  readonly slow: Duration.Input
  /** How long a client may give no sign of life. Default: 30 seconds. */
  readonly silent?: Duration.Input
  /** Whether everybody is let in while there never was a key. */
  readonly open: boolean
}

/** What is known of a socket by the request that opens it. */
export type Opening = Pick<SocketOptions, "entrant" | "base" | "carried">

export class Sockets {
  readonly #context: Context.Context<ApiServices>
  readonly #options: SocketsOptions
  readonly #open = new Set<Socket>()
  readonly #lettingIn: LettingIn
  #keeper: Fiber.Fiber<void> | undefined

  constructor(context: Context.Context<ApiServices>, options: SocketsOptions) {
    this.#context = context
    this.#options = options
    this.#lettingIn = new LettingIn(context)
  }

  /** How many are open, how many subscriptions they have, and whether a timer looks after them. */
  get counts(): { readonly sockets: number; readonly subscriptions: number; readonly timers: number } {
    const subscriptions = [...this.#open].reduce((sum, socket) => sum + socket.subscriptions, 0)
    return {
      sockets: this.#open.size,
      subscriptions,
      timers: (this.#keeper === undefined ? 0 : 1) + this.#lettingIn.size
    }
  }

  /** A socket that is about to open. */
  begin(opening: Opening): Upgraded {
    let unwatch = () => {}
    const socket: Socket = new Socket({
      context: this.#context,
      drain: this.#options.drain,
      open: this.#options.open,
      ...opening,
      onLetIn: (entrant) => {
        unwatch()
        unwatch = this.#lettingIn.watch(entrant, () =>
          socket.leave(closes.notLetIn, "what you were let in by counts no more")
        )
      },
      onClose: () => {
        unwatch()
        this.#remove(socket)
      }
    })
    return {
      opened: (wire) => {
        this.#add(socket)
        socket.opened(wire)
      },
      said: (message) => socket.said(message),
      drained: () => socket.drained(),
      heard: () => socket.heard(),
      closed: () => socket.closed()
    }
  }

  #add(socket: Socket): void {
    this.#open.add(socket)
    this.#keeper ??= Effect.runForkWith(this.#context)(this.#keep)
  }

  #remove(socket: Socket): void {
    this.#open.delete(socket)
    if (this.#open.size > 0) return
    this.#keeper?.interruptUnsafe()
    this.#keeper = undefined
  }

  readonly #keep = Effect.suspend(() => {
    const { drain, heartbeat, silent = silentDefault, slow } = this.#options
    const silentMs = Duration.toMillis(silent)
    const slowMs = Duration.toMillis(slow)
    const letInMs = Duration.toMillis(letInWithin)
    const beat = Effect.sync(() => {
      const now = performance.now()
      for (const socket of [...this.#open]) {
        if (socket.blockedFor(now) > slowMs || socket.silentFor(now) > silentMs) socket.cut()
        else if (!socket.isLetIn && now - socket.openedAt > letInMs)
          socket.close(closes.notLetIn, "nobody said who this is")
        else socket.ping()
      }
    })
    return Effect.forever(Effect.andThen(Effect.sleep(heartbeat), beat)).pipe(
      Effect.raceFirst(drain.closes),
      Effect.andThen(
        Effect.sync(() => {
          for (const socket of [...this.#open])
            socket.leave(closes.away, "this process is going away; come back with the last ids")
        })
      ),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.logError("web sockets have no heartbeat any more", cause)
      )
    )
  })
}
