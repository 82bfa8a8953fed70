import { Effect, Fiber } from "effect"
import { openLink } from "../runtime/redis/link.ts"
import { it } from "./support/effect.ts"
import { aServer } from "./support/server.ts"
const ping = (c: any) => c.ping()
for (let k = 0; k < 3; k++)
it.live("x", () => Effect.gen(function*() {
      const server = yield* aServer()
      const t0 = performance.now()
      const log = (s: string) => console.log((performance.now() - t0).toFixed(1), s)
      let n = 0
      const { call, built } = yield* openLink({ name: "link", address: server.address, onConnect: async (c) => { const k = ++n; for (const e of ["close", "end", "error"]) c.on(e, () => log(k + e)) } })
      yield* server.kill; log("killed")
      const e: any = yield* Effect.flip(call((c) => { log("status " + c.status); return c.ping() }, 1000)); log(e.message) 
      const w = yield* Effect.forkChild(Effect.exit(call((c) => { log("status " + c.status + (c as any).stream.writable); return c.ping().finally(() => log("settled")) }, 6000)), {startImmediately: true})
      log("start")
      yield* server.start
      log("started")
      log(JSON.stringify(yield* Fiber.join(w)))
}), 20000)
