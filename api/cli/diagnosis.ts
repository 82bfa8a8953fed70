/**
 * What `troupe doctor` makes of what it saw: findings, each with what to do. Decisions over plain values.
 *
 * `fail` is what keeps a system from working or from keeping its promises; `warn` is what will hurt one day, or hurts
 * already without breaking a promise.
 */
import { Duration, Schema } from "effect"
import type { QueueView } from "../../actors/operate/queues.ts"
import type { SettingsError } from "../../runtime/config.ts"
import { type RedisUnusable, type ServerAddress, shown } from "../../runtime/redis/address.ts"
import type { Examination } from "../../runtime/redis/examination.ts"
import type { SettingReport } from "../../runtime/settings-report.ts"

export interface Finding {
  /** What was looked at. */
  readonly check: string
  readonly state: "ok" | "warn" | "fail"
  readonly says: string
  /** What mends it. */
  readonly do?: string
}

/** Something has to be mended; what it is was printed. `of` is the gravest of it. */
export class Unwell extends Schema.TaggedError<Unwell>()("Unwell", {
  count: Schema.Int,
  of: Schema.Literals(["settings", "redis", "others"])
}) {
  override get message() {
    return `${this.count} ${this.count === 1 ? "thing has" : "things have"} to be mended`
  }
}

const ok = (check: string, says: string): Finding => ({ check, state: "ok", says })
const warn = (check: string, says: string, mend: string): Finding => ({
  check,
  state: "warn",
  says,
  do: mend
})
const fail = (check: string, says: string, mend: string): Finding => ({
  check,
  state: "fail",
  says,
  do: mend
})

const ms = (millis: number) => `${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`
const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`

const correct = "correct it, or unset it"

/** Every setting that cannot be used, or one finding that all can. */
export const settingFindings = (settings: ReadonlyArray<SettingReport>): ReadonlyArray<Finding> => {
  const faults = settings.flatMap(({ fault, variable }) =>
    fault === undefined ? [] : [fail("settings", `${variable}: ${fault}`, correct)]
  )
  const said = settings.filter(({ from }) => from === "environment").length
  return faults.length > 0 ? faults : [ok("settings", `${said} set, the others at their defaults`)]
}

/** What mends each reason for which a Redis cannot be used. */
const mends: { readonly [problem in RedisUnusable["problem"]]: string } = {
  address:
    "correct REDIS_URL: redis://[user[:password]@]host[:port][/db], rediss://…, unix:/path/to.sock, " +
    "redis+sentinel://host[:port],…/name or redis+cluster://host[:port],…",
  unreachable: "start one with troupe up, or name one in REDIS_URL",
  password: "put its user and password into REDIS_URL, percent-encoded: redis://user:password@host:port",
  "too-old": "use a newer one, and name it in REDIS_URL",
  evicts: "redis-cli config set maxmemory-policy noeviction, and in redis.conf",
  replica: "name its primary in REDIS_URL",
  cluster: "REDIS_URL=redis+cluster://host:port,host:port"
}

/** Why there is no Redis to look at. An address that is none, and settings that do not agree, are matters of settings. */
export const unusableFinding = (error: RedisUnusable | SettingsError): Finding => {
  if (error._tag === "SettingsError") return fail("settings", error.message, correct)
  return fail(error.problem === "address" ? "settings" : "redis", error.message, mends[error.problem])
}

/** The oldest Redis that has what we use. */
const majorMin = 7

/** Leases and due times follow Redis's clock, what people read follows theirs. */
const clockSkewMaxMs = 1_000

/** Every submit and every turn pays at least a round trip. */
const latencyMaxMs = 5

/** What is left for tasks when memory is so full is gone soon. */
const memoryShareMax = 0.8

const versionFinding = ({ version }: Examination) =>
  Number.parseInt(version) >= majorMin
    ? ok("redis version", version)
    : fail("redis version", `${version} is too old`, `use Redis ${majorMin}.0 or newer, or Valkey`)

const roleFinding = ({ role }: Examination) =>
  role === "slave"
    ? fail("redis role", "it is a replica", "name its primary in REDIS_URL")
    : ok("redis role", "primary")

const policyFinding = ({ policy }: Examination) =>
  policy === "noeviction"
    ? ok("eviction", "noeviction")
    : fail(
        "eviction",
        `maxmemory-policy is ${policy}: it throws tasks away when its memory is full`,
        "redis-cli config set maxmemory-policy noeviction, and in redis.conf"
      )

const persistenceFinding = ({ aof, diskOk, fsync, snapshots }: Examination): Finding => {
  const check = "persistence"
  if (!diskOk)
    return fail(
      check,
      "its last write to disk failed",
      "look into Redis's log; is its disk full, or read-only?"
    )
  if (!aof)
    return snapshots === ""
      ? warn(
          check,
          "neither AOF nor snapshots: a restart of Redis loses every task",
          "redis-cli config set appendonly yes, and in redis.conf"
        )
      : warn(
          check,
          "AOF is off: a crash of Redis loses what came after its last snapshot",
          "redis-cli config set appendonly yes, and in redis.conf"
        )
  if (fsync === "no")
    return warn(
      check,
      "AOF, but appendfsync is no: a crash of the machine may lose half a minute",
      "redis-cli config set appendfsync everysec, and in redis.conf"
    )
  const loses = { always: "a crash loses nothing", everysec: "a crash of the machine loses about a second" }
  return ok(
    check,
    `AOF${fsync === undefined ? "" : `, ${fsync}: ${loses[fsync as keyof typeof loses] ?? fsync}`}`
  )
}

const memoryFinding = ({ maxBytes, usedBytes }: Examination): Finding => {
  const check = "memory"
  if (maxBytes === 0)
    return warn(
      check,
      `${mebibytes(usedBytes)} used, no limit: Redis grows until the system kills it`,
      "redis-cli config set maxmemory to what the machine can spare; a full Redis refuses submits, and loses none"
    )
  const says = `${mebibytes(usedBytes)} of ${mebibytes(maxBytes)} used`
  const mend = "raise maxmemory, shorten TROUPE_RETENTION, or purge dead letters: troupe dead purge"
  if (usedBytes >= maxBytes) return fail(check, `${says}: it is full, and every submit is refused`, mend)
  return usedBytes > memoryShareMax * maxBytes ? warn(check, says, mend) : ok(check, says)
}

const clockFinding = ({ clockAheadMs, roundTrip }: Examination): Finding => {
  const skew = Math.abs(clockAheadMs)
  // It cannot be told better than that.
  const precision = roundTrip.maxMs / 2
  const says = `Redis's clock is ${ms(skew)} ${clockAheadMs < 0 ? "behind" : "ahead of"} ours`
  return skew - precision > clockSkewMaxMs
    ? warn(
        "clock",
        says,
        "run NTP (chrony, systemd-timesyncd) on both; times of events and delays are Redis's"
      )
    : ok("clock", says)
}

const latencyFinding = ({ roundTrip, script }: Examination): Finding => {
  const says = `a round trip takes ${ms(roundTrip.medianMs)} (${ms(roundTrip.maxMs)} at most), a script ${ms(script.medianMs)}`
  return Math.max(roundTrip.medianMs, script.medianMs) > latencyMaxMs
    ? warn(
        "latency",
        says,
        "bring Redis and this machine closer together; redis-cli --latency and slowlog get tell more"
      )
    : ok("latency", says)
}

/** Whether as many replicas are there as each submit waits for. */
const replicasFinding = ({ replicas }: Examination, wanted: number): Finding => {
  const says = `${replicas} connected, and a submit waits for ${wanted}`
  return replicas < wanted
    ? fail("replicas", `${says}: every submit fails`, "start more replicas, or lower TROUPE_REPLICAS")
    : ok("replicas", says)
}

/** What a server's own words come to; `replicas` is how many each submit waits for. */
export const redisFindings = (seen: Examination, replicas = 0): ReadonlyArray<Finding> => [
  versionFinding(seen),
  roleFinding(seen),
  ...(replicas === 0 ? [] : [replicasFinding(seen, replicas)]),
  policyFinding(seen),
  persistenceFinding(seen),
  memoryFinding(seen),
  clockFinding(seen),
  latencyFinding(seen)
]

export interface HandlersSeen {
  readonly names: ReadonlyArray<string>
  readonly broken: ReadonlyArray<{ readonly module: string; readonly reason: string }>
}

export const handlerFindings = ({ broken, names }: HandlersSeen): ReadonlyArray<Finding> => [
  names.length === 0
    ? warn("handlers", "none is loaded", "name a folder of them with TROUPE_HANDLERS")
    : ok("handlers", names.join(", ")),
  ...broken.map(({ module, reason }) =>
    fail("handlers", `${module} is left out: ${reason}`, "mend the module, or move it out of TROUPE_HANDLERS")
  )
]

/** What answers at the API's address: a Troupe, nobody, or somebody else, with what they said. */
export type PortSeen = "troupe" | "free" | "taken"

export const portFinding = (address: string, seen: PortSeen): Finding => {
  if (seen === "troupe") return ok("port", `an API of Troupe answers at ${address}`)
  if (seen === "free") return ok("port", `${address} is free`)
  return fail("port", `somebody else listens at ${address}`, "stop it, or choose another with TROUPE_PORT")
}

export const folderFinding = (folder: string, problem: string | undefined): Finding =>
  problem === undefined
    ? ok("files", folder)
    : fail(
        "files",
        `${folder} cannot be written: ${problem}`,
        "change its owner, or name another with TROUPE_FILES"
      )

/** A finding whose `redis-cli` is that of this very Redis: without a word it would be whichever is at port 6379. */
export const forRedisAt =
  ({ host, path, port, tls }: ServerAddress) =>
  (finding: Finding): Finding => {
    const there =
      path === undefined
        ? `${host === "127.0.0.1" ? "" : ` -h ${host}`}${port === 6379 ? "" : ` -p ${port}`}${tls === undefined ? "" : " --tls"}`
        : ` -s '${path}'`
    return finding.do === undefined
      ? finding
      : { ...finding, do: finding.do.replaceAll("redis-cli", `redis-cli${there}`) }
  }

/** A finding about one of several servers. */
export const ofServer =
  (server: ServerAddress) =>
  (finding: Finding): Finding => ({ ...finding, says: `${shown(server)}: ${finding.says}` })

export interface SystemSeen {
  readonly nodes: ReadonlyArray<{ readonly state: string }>
  readonly workers: ReadonlyArray<{ readonly state: string; readonly queues: ReadonlyArray<string> }>
  readonly queues: ReadonlyArray<Pick<QueueView, "name" | "paused" | "depth" | "dead" | "oldestMs">>
}

const waits = ({ depth }: SystemSeen["queues"][number]) =>
  Object.values(depth).reduce((all, some) => all + some, 0)

/** How a system stands: who lives there, what waits, what has failed. */
export const systemFindings = ({ nodes, queues, workers }: SystemSeen): ReadonlyArray<Finding> => {
  const living = workers.filter(({ state }) => state === "running")
  // One that was lost stays listed for a while.
  const standing = nodes.filter(({ state }) => state !== "lost").length
  const served = new Set(living.flatMap(({ queues }) => queues))
  const dead = queues.reduce((all, queue) => all + queue.dead, 0)
  const findings = [
    living.length === 0
      ? warn("workers", "none lives: whatever is submitted waits", "troupe up, or troupe worker")
      : ok("workers", `${living.length} live, on ${standing} node${standing === 1 ? "" : "s"}`)
  ]
  for (const queue of queues) {
    const waiting = waits(queue)
    if (waiting === 0) continue
    const oldest = Duration.format(Duration.seconds(Math.round(queue.oldestMs / 1_000)))
    const says = `${waiting} wait${waiting === 1 ? "s" : ""} in ${queue.name}, the oldest for ${oldest}`
    if (queue.paused)
      findings.push(warn("queues", `${says}, and it is paused`, `troupe queues resume ${queue.name}`))
    else if (living.length > 0 && !served.has(queue.name))
      findings.push(
        warn(
          "queues",
          `${says}, and no worker serves it`,
          `name it in TROUPE_QUEUES of a worker: ${queue.name}:4`
        )
      )
    else findings.push(ok("queues", says))
  }
  if (dead > 0)
    findings.push(
      warn("dead letters", `${dead} failed for good`, "troupe dead groups, then dead retry or dead purge")
    )
  return findings
}

const ofRedis = ["redis", "redis version", "redis role", "eviction", "persistence", "memory"]

/** What findings come to: nothing to be mended, or how much, and of what kind. */
export const unwellOf = (findings: ReadonlyArray<Finding>): Unwell | undefined => {
  const failed = findings.flatMap(({ check, state }) => (state === "fail" ? [check] : []))
  if (failed.length === 0) return undefined
  const gravest = failed.includes("settings")
    ? "settings"
    : failed.some((check) => ofRedis.includes(check))
      ? "redis"
      : "others"
  return new Unwell({ count: failed.length, of: gravest })
}
