/** A web socket as the server beneath the app has it: what it can do with a connection, and what it tells of one. */

/** The connection beneath a socket. */
export interface Wire {
  /** How much was sent; -1 when it has to wait its turn, 0 when it was dropped. */
  readonly send: (text: string) => number
  readonly ping: () => void
  readonly close: (code: number, reason: string) => void
  /** Without waiting for what was sent. */
  readonly terminate: () => void
}

/** What a server is to tell of a connection that was upgraded. */
export interface Upgraded {
  readonly opened: (wire: Wire) => void
  readonly said: (message: string | Uint8Array) => void
  readonly drained: () => void
  /** The client gave a sign of life: it answered a ping, or sent one. */
  readonly heard: () => void
  readonly closed: () => void
}
