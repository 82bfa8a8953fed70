/**
 * A TCP proxy that does harm to all that goes through it, for as long as it is told to: it knows nothing of what is
 * said. Bytes that it has swallowed are never made up for, so it cuts the connections they were of when it heals.
 */
import { connect, createServer, type Socket } from "node:net"

/** What becomes of the bytes on their way: from those who ask to the server, or back. */
export type WireHarm =
  /** What is asked is done, and nobody hears of it. */
  | { readonly kind: "no replies" }
  /** Nothing that is asked arrives. */
  | { readonly kind: "no requests" }
  /** All of it comes so much later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** It comes byte by byte. */
  | { readonly kind: "crumbs" }

/** How many bytes go one by one before the rest of a piece goes as it is: a page at most. */
const crumbsMax = 512

/** How much may wait to be written before no more is read. */
const backlogMax = 4 * 1024 * 1024

/** One direction of one connection: pieces in their order, whatever is done to them. */
class Way {
  readonly #to: Socket
  readonly #from: Socket
  #before: Promise<void> | undefined
  #waiting = 0
  hasSwallowed = false

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
  }

  pass(piece: Buffer, harm: WireHarm | undefined, isReply: boolean) {
    if (harm?.kind === (isReply ? "no replies" : "no requests")) {
      this.hasSwallowed = true
      return
    }
    const isSlow = harm?.kind === "delay" || harm?.kind === "crumbs"
    if (!isSlow && this.#before === undefined) return this.#write(piece)
    this.#waiting += 1
    const until = harm?.kind === "delay" ? performance.now() + harm.ms : 0
    const before = this.#before ?? Promise.resolve()
    this.#before = before.then(async () => {
      const leftMs = until - performance.now()
      if (leftMs > 0) await Bun.sleep(leftMs)
      const single = harm?.kind === "crumbs" ? Math.min(piece.length, crumbsMax) : 0
      for (let at = 0; at < single; at++) {
        this.#write(piece.subarray(at, at + 1))
        await new Promise(setImmediate)
      }
      if (single < piece.length) this.#write(piece.subarray(single))
      this.#waiting -= 1
      if (this.#waiting === 0) this.#before = undefined
    })
  }

  #write(piece: Buffer) {
    if (this.#to.destroyed) return
    this.#to.write(piece)
    if (this.#to.writableLength > backlogMax) {
      this.#from.pause()
      this.#to.once("drain", () => this.#from.resume())
    }
  }
}

/** Starts a proxy in front of what listens on `target()` of this machine, on a port of its own. */
export const startWire = async (target: () => number) => {
  const open = new Set<{ readonly ends: readonly [Socket, Socket]; readonly ways: ReadonlyArray<Way> }>()
  let harm: WireHarm | undefined

  const server = createServer({ noDelay: true }, (client) => {
    const far = connect({ host: "127.0.0.1", port: target(), noDelay: true })
    const there = new Way(client, far)
    const back = new Way(far, client)
    const connection = { ends: [client, far], ways: [there, back] } as const
    open.add(connection)
    client.on("data", (piece: Buffer) => there.pass(piece, harm, false))
    far.on("data", (piece: Buffer) => back.pass(piece, harm, true))
    for (const end of connection.ends) {
      end.on("error", () => {})
      end.on("close", () => {
        open.delete(connection)
        for (const other of connection.ends) other.destroy()
      })
    }
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, "127.0.0.1", listening.resolve)
  await listening.promise
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0

  /** Cuts connections with a reset: some, or those that have lost something. */
  const reset = (which: (connection: { readonly ways: ReadonlyArray<Way> }) => boolean = () => true) => {
    for (const connection of [...open].filter(which)) for (const end of connection.ends) end.resetAndDestroy()
  }

  return {
    port,
    reset,
    harm: (kind: WireHarm) => {
      harm = kind
    },
    heal: () => {
      harm = undefined
      reset(({ ways }) => ways.some(({ hasSwallowed }) => hasSwallowed))
    },
    close: () => {
      server.close()
      reset()
    }
  }
}

export type Wire = Awaited<ReturnType<typeof startWire>>
