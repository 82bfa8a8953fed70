/** The web socket: one connection for submitting, asking and following. Its frames are told in `docs/websocket.md`. */
import { Effect, Schema } from "effect"
import { Gate } from "../../../actors/access/gate.ts"
import { carriedIn } from "../../../runtime/telemetry/trace-context.ts"
import { shownIn } from "../auth.ts"
import { ownHosts, wrongHost } from "../browser.ts"
import type { Serve } from "../mount.ts"
import { general, generalProblem, problemResponse } from "../problem.ts"
import { UpgradeNeeded } from "../refusals.ts"
import { row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import type { Sockets } from "../sockets.ts"
import { baseOf } from "../view.ts"

export const rows = {
  socket: row({
    name: "openSocket",
    method: "GET",
    path: "/v1/ws",
    group: "Tasks",
    summary:
      "Opens a web socket for submitting, asking and following; a key may also be said in its first frame",
    // Each frame asks for what it needs.
    needs: "nothing",
    reach: "tenant",
    query: Schema.Struct({ ticket: Schema.optionalKey(Schema.String) }),
    answers: {},
    problems: ["UpgradeNeeded", "NotLetIn", "StoreError"]
  })
}

/** Whether a page of this origin may open a socket: one on the list, or of this server itself. Programs name none. */
export const isWelcome = (
  origin: string | undefined,
  host: string | undefined,
  origins: ReadonlyArray<string>
) => {
  if (origin === undefined || origins.includes(origin)) return true
  const url = URL.parse(origin)
  return url !== null && url.origin === origin && url.host === host
}

/** Who was let in with the request, if it shows anything. While there never was a key, everybody is. */
const entrantOf = (c: ApiContext, open: boolean) => {
  const shown = shownIn(c, rows.socket.path)
  return Gate.use((gate) =>
    shown === undefined
      ? Effect.flatMap(gate.isOpen, (isOpen) =>
          open && isOpen ? gate.admit(undefined, { open }) : Effect.undefined
        )
      : gate.admit(shown, { open })
  )
}

export const socket = (
  serve: Serve,
  sockets: Sockets,
  {
    local,
    open,
    origins
  }: {
    readonly open: boolean
    readonly origins: ReadonlyArray<string>
    /** Whether it is reached on this machine alone. */
    readonly local: boolean
  }
) => {
  const isOwnHost = ownHosts(origins)
  serve(
    rows.socket,
    Effect.fnUntraced(function* (c) {
      const origin = c.req.header("origin")
      if (!isWelcome(origin, c.req.header("host"), origins)) {
        return problemResponse(
          generalProblem(general.originRefused, `pages of ${origin} may not open a web socket here`)
        )
      }
      const { upgrade } = c.env ?? {}
      if (c.req.header("upgrade")?.toLowerCase() !== "websocket" || upgrade === undefined)
        return yield* new UpgradeNeeded()
      const carried = carriedIn({
        traceparent: c.req.header("traceparent"),
        tracestate: c.req.header("tracestate")
      })
      const entrant = yield* entrantOf(c, open)
      // Who shows nothing and is let in all the same is no page whose name was made to lead here.
      const isAnyone = entrant !== undefined && shownIn(c, rows.socket.path) === undefined
      const host = c.req.header("host")
      if (local && isAnyone && !isOwnHost(host)) return wrongHost(host)
      const data = sockets.begin({ entrant, base: baseOf(c), carried })
      const upgraded = yield* Effect.try({
        try: () => upgrade.call(c.env, c.req.raw, { data }),
        // Bun throws where its server was given no web sockets, as that of an app which mounts this one may be.
        catch: () => new UpgradeNeeded()
      })
      // The answer is the server's: what is given here is not sent.
      if (upgraded) return new Response(null)
      return yield* new UpgradeNeeded()
    })
  )
}
