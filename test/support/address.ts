/** Where a server is, or may be. */
import { Redacted, Result } from "effect"
import { readServer } from "../../runtime/redis/address.ts"

/** A port that nobody listened to a moment ago. */
export const aFreePort = (): number => {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  listener.stop(true)
  return listener.port
}

export const addressOf = (url: string) => Result.getOrThrow(readServer(Redacted.make(url)))
