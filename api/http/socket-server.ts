/** The web sockets of Bun's server, which are told to whom they belong. Hand it to `Bun.serve` beside `fetch`. */
import type { WebSocketHandler } from "bun"
import { frameBytesMax } from "./socket-frames.ts"
import type { Upgraded } from "./wire.ts"

/** How much a client may leave unread, beyond which what is sent to it is dropped, in bytes. */
const unreadMax = 16 * 1024 * 1024

/** After so long without anything sent or heard, in seconds, Bun closes; its count begins anew with each ping of ours. */
const idleSeconds = 30

/**
 * Hono's adapter for Bun does not say whether a frame was sent, nor when there is room again, so that nobody could stop in
 * time for a slow client.
 */
export const websocket: WebSocketHandler<Upgraded> = {
  maxPayloadLength: frameBytesMax,
  backpressureLimit: unreadMax,
  idleTimeout: idleSeconds,
  sendPings: false,
  open: (ws) =>
    ws.data.opened({
      send: (text) => ws.send(text),
      ping: () => void ws.ping(),
      close: (code, reason) => ws.close(code, reason),
      terminate: () => ws.terminate()
    }),
  message: (ws, message) => ws.data.said(message),
  drain: (ws) => ws.data.drained(),
  ping: (ws) => ws.data.heard(),
  pong: (ws) => ws.data.heard(),
  close: (ws) => ws.data.closed()
}
