/**
 * Where Redis is, read from a URL: one server, the primary that sentinels know by a name, or a cluster; and why it cannot be
 * used, in words an operator can act on.
 */
import { Redacted, Result, Schema } from "effect"
import type { RedisOptions } from "ioredis"

/** Where one server listens. */
export interface Listener {
  readonly host: string
  readonly port: number
}

/** One server, as ioredis is told of it. */
export type ServerAddress = Pick<
  RedisOptions,
  "host" | "port" | "path" | "username" | "password" | "db" | "tls"
>

/** Sentinels, the name by which they know a primary, and what it is told itself. */
export interface SentinelAddress {
  readonly sentinels: ReadonlyArray<Listener>
  readonly name: string
  readonly sentinelLogin: Pick<ServerAddress, "username" | "password" | "tls">
  readonly login: Pick<ServerAddress, "username" | "password" | "tls" | "db">
}

/** A cluster: some of its nodes, which know the others, and what each of them is told. */
export interface ClusterAddress {
  readonly nodes: ReadonlyArray<Listener>
  readonly login: Pick<ServerAddress, "username" | "password" | "tls">
}

export type RedisAddress = ServerAddress | SentinelAddress | ClusterAddress

export const isSentinel = (address: RedisAddress): address is SentinelAddress => "sentinels" in address

export const isCluster = (address: RedisAddress): address is ClusterAddress => "nodes" in address

/** No Redis can be used as things are. Nothing was started; `problem` says what to mend. */
export class RedisUnusable extends Schema.TaggedError<RedisUnusable>()("RedisUnusable", {
  problem: Schema.Literals(["address", "unreachable", "password", "too-old", "evicts", "replica", "cluster"]),
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
      replica: `Redis at ${this.where} is a replica: ${this.detail}`,
      cluster: `Redis at ${this.where} is a node of a cluster: ${this.detail}`
    }[this.problem]
  }
}

const shownListeners = (all: ReadonlyArray<Listener>) =>
  all.map(({ host, port }) => `${host}:${port}`).join(", ")

/** An address as people are told of it, without what is secret. */
export const shown = (address: RedisAddress): string => {
  if (isCluster(address)) return shownListeners(address.nodes)
  if (isSentinel(address)) return `${address.name} (by the sentinels ${shownListeners(address.sentinels)})`
  return address.path ?? `${address.host ?? "127.0.0.1"}:${address.port ?? 6379}`
}

type Read<A> = Result.Result<A, RedisUnusable>

const bad = (detail: string) => Result.fail(new RedisUnusable({ problem: "address", where: "", detail }))

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

const badLogin = bad("its user or password is not percent-encoded")

const kinds = "redis://, rediss://, unix:, redis+sentinel:// or redis+cluster://"

const redisPort = 6379
const sentinelPort = 26_379

const databaseOf = (path: string): Read<number> => {
  const db = path.replace("/", "") || "0"
  return /^\d+$/.test(db) ? Result.succeed(Number(db)) : bad(`"${db}" is not the number of a database`)
}

interface Login {
  readonly username?: string
  readonly password?: string
}

const loginOf = (user: string, secret: string): Read<Login> => {
  const [username, password] = [decoded(user), decoded(secret)]
  if (username === undefined || password === undefined) return badLogin
  return Result.succeed({
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password })
  })
}

const bareHost = (host: string) => host.replace(/^\[(.*)\]$/, "$1")

/** `host[:port],…`, an IPv6 address in brackets. */
const listenersOf = (text: string, port: number): Read<Array<Listener>> => {
  const found: Array<Listener> = []
  for (const part of text.split(",")) {
    const url = `http://${part}`
    const read = part !== "" && URL.canParse(url) ? new URL(url) : undefined
    if (read === undefined || read.host === "" || read.pathname !== "/" || read.username !== "")
      return bad(`"${part}" is not host:port`)
    // That of http is left out of what is read.
    const said = /:(\d+)$/.exec(part)?.[1]
    found.push({ host: bareHost(read.hostname), port: said === undefined ? port : Number(said) })
  }
  return Result.succeed(found)
}

const many = /^(rediss?)\+(sentinel|cluster):\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/

/** What a query may say, and nothing else. */
const parametersOf = (query: string, allowed: ReadonlyArray<string>): Read<URLSearchParams> => {
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].find((name) => !allowed.includes(name))
  return unknown === undefined
    ? Result.succeed(parameters)
    : bad(
        allowed.length === 0
          ? `it takes no parameter "${unknown}"`
          : `"${unknown}" is none of its parameters, ${allowed.join(" and ")}`
      )
}

interface Parts {
  readonly scheme: string
  readonly login: readonly [user: string, secret: string]
  readonly hosts: string
  readonly path: string
  readonly query: string
}

const tlsOf = (scheme: string) => (scheme === "rediss" ? { tls: {} } : {})

const readSentinel = ({ hosts, login: said, path, query, scheme }: Parts): Read<SentinelAddress> =>
  Result.gen(function* () {
    const login = yield* loginOf(...said)
    const sentinels = yield* listenersOf(hosts, sentinelPort)
    const [encoded = "", database = "", ...rest] = path.split("/")
    const name = decoded(encoded)
    if (name === undefined || name === "" || rest.length > 0)
      return yield* bad(
        "it wants the name of the primary, as in redis+sentinel://host:26379,other:26379/mymaster"
      )
    const db = yield* databaseOf(database)
    const parameters = yield* parametersOf(query, ["sentinelUsername", "sentinelPassword"])
    const [username, password] = [parameters.get("sentinelUsername"), parameters.get("sentinelPassword")]
    return {
      sentinels,
      name,
      sentinelLogin: {
        ...(username === null ? {} : { username }),
        ...(password === null ? {} : { password }),
        ...tlsOf(scheme)
      },
      login: { ...login, ...tlsOf(scheme), db }
    } satisfies SentinelAddress
  })

const readCluster = ({ hosts, login: said, path, query, scheme }: Parts): Read<ClusterAddress> =>
  Result.gen(function* () {
    const login = yield* loginOf(...said)
    const nodes = yield* listenersOf(hosts, redisPort)
    yield* parametersOf(query, [])
    if ((yield* databaseOf(path)) !== 0) return yield* bad("a cluster has database 0 only")
    return { nodes, login: { ...login, ...tlsOf(scheme) } } satisfies ClusterAddress
  })

/** Reads the address of one server: `redis://[user[:password]@]host[:port][/db]`, `rediss://…` (TLS) or `unix:/path/to.sock`. */
export const readServer = (secret: Redacted.Redacted<string>): Read<ServerAddress> =>
  Result.gen(function* () {
    const text = Redacted.value(secret)
    if (text.startsWith("unix:")) {
      const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "")
      return path.startsWith("/") || path.startsWith(".")
        ? { path }
        : yield* bad("unix: wants a path, as in unix:/run/redis.sock")
    }
    if (!URL.canParse(text)) return yield* bad("it is not a URL such as redis://127.0.0.1:6379")
    const url = new URL(text)
    if (url.protocol !== "redis:" && url.protocol !== "rediss:")
      return yield* bad(`it starts with ${url.protocol}; use ${kinds}`)
    const db = yield* databaseOf(url.pathname)
    const login = yield* loginOf(url.username, url.password)
    return {
      host: bareHost(url.hostname) || "127.0.0.1",
      port: url.port === "" ? redisPort : Number(url.port),
      db,
      ...login,
      ...tlsOf(url.protocol.slice(0, -1))
    }
  })

/**
 * Reads `redis://[user[:password]@]host[:port][/db]`, `rediss://…` (TLS), `unix:/path/to.sock`,
 * `redis+sentinel://[user[:password]@]host[:port],…/name[/db][?sentinelUsername=…&sentinelPassword=…]` or
 * `redis+cluster://[user[:password]@]host[:port],…`; `rediss+sentinel://` and `rediss+cluster://` speak TLS with all.
 */
export const readAddress = (secret: Redacted.Redacted<string>): Read<RedisAddress> => {
  const text = Redacted.value(secret)
  const [, scheme, kind, login = "", hosts = "", path = "", query = ""] = many.exec(text) ?? []
  if (kind !== undefined) {
    // Then part of a password was taken for something else, and might be shown.
    if (hosts.includes("@") || path.includes("@") || query.includes("@")) return badLogin
    const [user = "", ...rest] = login.split(":")
    const parts: Parts = { scheme: scheme!, login: [user, rest.join(":")], hosts, path, query }
    return kind === "sentinel" ? readSentinel(parts) : readCluster(parts)
  }
  return readServer(secret)
}
