/** Where Redis is, read from a URL; and why a Redis cannot be used, in words an operator can act on. */
import { Redacted, Result, Schema } from "effect"
import type { RedisOptions } from "ioredis"

export type RedisAddress = Pick<
  RedisOptions,
  "host" | "port" | "path" | "username" | "password" | "db" | "tls"
>

/** No Redis can be used as things are. Nothing was started; `problem` says what to mend. */
export class RedisUnusable extends Schema.TaggedError<RedisUnusable>()("RedisUnusable", {
  problem: Schema.Literals(["address", "unreachable", "password", "too-old", "evicts", "replica"]),
  where: Schema.String,
  detail: Schema.String
}) {
  /** `reason` is what the connection itself has told, which says more than the command that failed for it. */
  static of(error: unknown, address: RedisAddress, reason: unknown = error): RedisUnusable {
    if (error instanceof RedisUnusable) return error
    const detail = reason instanceof Error ? reason.message : String(reason)
    const problem = /NOAUTH|WRONGPASS|NOPERM|invalid password|without any password/i.test(detail)
      ? "password"
      : "unreachable"
    return new RedisUnusable({ problem, where: shown(address), detail })
  }

  override get message() {
    return {
      address: `REDIS_URL cannot be used: ${this.detail}`,
      unreachable: `no Redis answers at ${this.where}: ${this.detail}`,
      password: `Redis at ${this.where} refuses the user or password of REDIS_URL: ${this.detail}`,
      "too-old": `Redis at ${this.where} is too old: ${this.detail}`,
      evicts: `Redis at ${this.where} may throw tasks away: ${this.detail}`,
      replica: `Redis at ${this.where} is a replica: ${this.detail}`
    }[this.problem]
  }
}

const shown = (address: RedisAddress) =>
  address.path ?? `${address.host ?? "127.0.0.1"}:${address.port ?? 6379}`

const bad = (detail: string) => Result.fail(new RedisUnusable({ problem: "address", where: "", detail }))

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Reads `redis://[user[:password]@]host[:port][/db]`, `rediss://…` (TLS) or `unix:/path/to.sock`. */
export const readAddress = (
  secret: Redacted.Redacted<string>
): Result.Result<RedisAddress, RedisUnusable> => {
  const text = Redacted.value(secret)
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "")
    return path.startsWith("/") || path.startsWith(".")
      ? Result.succeed({ path })
      : bad("unix: wants a path, as in unix:/run/redis.sock")
  }
  if (!URL.canParse(text)) return bad("it is not a URL such as redis://127.0.0.1:6379")
  const url = new URL(text)
  if (url.protocol === "redis+cluster:" || url.protocol === "redis+sentinel:") {
    return bad(`${url.protocol}// is planned and not there yet; use redis://, rediss:// or unix:`)
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    return bad(`it starts with ${url.protocol}; use redis://, rediss:// or unix:`)
  }
  const db = url.pathname.replace("/", "") || "0"
  if (!/^\d+$/.test(db)) return bad(`"${db}" is not the number of a database`)
  const [username, password] = [decoded(url.username), decoded(url.password)]
  if (username === undefined || password === undefined)
    return bad("its user or password is not percent-encoded")
  return Result.succeed({
    host: url.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    port: url.port === "" ? 6379 : Number(url.port),
    db: Number(db),
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    ...(url.protocol === "rediss:" ? { tls: {} } : {})
  })
}
