/** An HTTP client made of a bare socket: it reads when the test says so, and goes when the test says so. */
import { Deferred, Effect } from "effect"
import { type Frame, Frames } from "./sse.ts"

export interface Call {
  readonly port: number
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Undoes the chunked transfer encoding, in pieces of any size. */
class Chunks {
  #held: Array<Buffer> = []
  #size = 0
  /** How many bytes there have to be before there is something to do. */
  #wanted = 0
  over = false

  push(data: Buffer): string {
    this.#held.push(data)
    this.#size += data.length
    if (this.#size < this.#wanted) return ""
    let rest = Buffer.concat(this.#held)
    const pieces: Array<Buffer> = []
    this.#wanted = 0
    while (!this.over) {
      const line = rest.indexOf("\r\n")
      if (line < 0) break
      const start = line + 2
      const size = Number.parseInt(rest.subarray(0, line).toString(), 16)
      this.#wanted = start + size + 2
      if (rest.length < this.#wanted) break
      pieces.push(rest.subarray(start, start + size))
      rest = rest.subarray(this.#wanted)
      this.#wanted = 0
      this.over = size === 0
    }
    this.#held = [rest]
    this.#size = rest.length
    return Buffer.concat(pieces).toString()
  }
}

const requestOf = ({ body = "", headers = {}, method = "GET", path }: Call) => {
  const lines = Object.entries({ host: "localhost", ...headers }).map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${path} HTTP/1.1`, ...lines, "", body].join("\r\n")
}

/** Sends a request and reads its answer as a stream of events, until the scope closes. */
export const aCaller = Effect.fnUntraced(function* (call: Call) {
  let news = Deferred.makeUnsafe<void>()
  const chunks = new Chunks()
  const frames = new Frames()
  const held: Array<Frame> = []
  let head = ""
  let text = ""
  let bytes = 0
  /** What is missing of a body that said how long it is. */
  let left = Infinity
  let closed = false

  const take = (arrived: Buffer) => {
    let data = arrived
    bytes += data.length
    if (!head.includes("\r\n\r\n")) {
      head += data.toString("latin1")
      const end = head.indexOf("\r\n\r\n")
      if (end < 0) return
      data = Buffer.from(head.slice(end + 4), "latin1")
      head = head.slice(0, end + 4)
      left = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Infinity)
    }
    const piece = /^transfer-encoding: chunked/im.test(head) ? chunks.push(data) : data.toString()
    left -= data.length
    if (/^content-type: text\/event-stream/im.test(head)) held.push(...frames.push(piece))
    else text += piece
  }
  const tell = () => {
    const told = news
    news = Deferred.makeUnsafe()
    Deferred.doneUnsafe(told, Effect.void)
  }
  const close = () => {
    closed = true
    tell()
  }

  const socket = yield* Effect.acquireRelease(
    Effect.promise(() =>
      Bun.connect({
        hostname: "127.0.0.1",
        port: call.port,
        socket: {
          open: (socket) => void socket.write(requestOf(call)),
          data: (_, data) => {
            take(data)
            tell()
          },
          close,
          error: close
        }
      })
    ),
    (socket) => Effect.sync(() => socket.terminate())
  )

  const until = (holds: () => boolean) =>
    Effect.gen(function* () {
      while (!holds()) yield* Deferred.await(news)
    })
  const over = () => closed || chunks.over || left <= 0

  return {
    socket,
    /** How many bytes have arrived. */
    bytes: () => bytes,
    /** The status of the answer. */
    status: Effect.map(
      until(() => head.includes("\r\n\r\n") || closed),
      () => Number(head.split(" ")[1])
    ),
    /** What has arrived of an answer that is no stream of events. */
    text: () => text,
    take: (count: number) =>
      Effect.map(
        until(() => held.length >= count || over()),
        () => held.splice(0, count)
      ),
    /** Everything up to the end of the stream. */
    rest: Effect.map(until(over), () => held.splice(0)),
    closed: until(() => closed)
  }
})

/** What a server answers to a request as it is written here, on a connection that is then closed. */
export const answerTo = (port: number, request: string) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const socket = Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(request),
        data: (_, data) => void (text += data.toString()),
        close: () => resume(Effect.succeed(text))
      }
    })
    return Effect.promise(async () => (await socket).terminate())
  })
