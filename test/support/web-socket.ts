/** A web socket client that keeps what it is told, and waits for what a test names. */
import { Deferred, Effect } from "effect"

export type Heard = Readonly<Record<string, unknown>>

export const aSocket = Effect.fnUntraced(function* (
  url: string,
  headers: Readonly<Record<string, string>> = {}
) {
  const heard: Array<Heard> = []
  let news = Deferred.makeUnsafe<void>()
  let closed: { readonly code: number; readonly reason: string } | undefined
  let open = false
  const tell = () => {
    const told = news
    news = Deferred.makeUnsafe()
    Deferred.doneUnsafe(told, Effect.void)
  }
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocket(url.replace(/^http/, "ws"), { headers } as unknown as string)),
    (socket) => Effect.sync(() => socket.close())
  )
  socket.addEventListener("open", () => {
    open = true
    tell()
  })
  socket.addEventListener("message", ({ data }) => {
    heard.push(JSON.parse(String(data)) as Heard)
    tell()
  })
  socket.addEventListener("close", ({ code, reason }) => {
    closed = { code, reason }
    tell()
  })
  const until = (holds: () => boolean) =>
    Effect.gen(function* () {
      while (!holds()) yield* Deferred.await(news)
    })
  yield* until(() => open || closed !== undefined)

  /** The next frame that fits, which is taken; those before it stay. */
  const next = Effect.fnUntraced(function* (fits: (frame: Heard) => boolean) {
    yield* until(() => closed !== undefined || heard.some(fits))
    const at = heard.findIndex(fits)
    if (at < 0) throw new Error(`closed with ${closed?.code} ${closed?.reason}: ${JSON.stringify(heard)}`)
    return heard.splice(at, 1)[0]!
  })
  let refs = 0
  const say = (frame: unknown) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame))

  return {
    socket,
    say,
    /** Says something and takes its answer. */
    ask: (frame: object) => {
      const ref = ++refs
      return Effect.andThen(
        Effect.sync(() => say({ ref, ...frame })),
        next((heard) => heard["ref"] === ref)
      )
    },
    /** The next `count` events of a task, or of all; how a task stands is passed over. */
    events: (count: number, of?: string) =>
      Effect.forEach(Array.from({ length: count }), () =>
        next(
          ({ event, task }) => event !== undefined && event !== "state" && (of === undefined || task === of)
        )
      ),
    next,
    isOpen: () => open && closed === undefined,
    closed: Effect.map(
      until(() => closed !== undefined),
      () => closed!
    )
  }
})
