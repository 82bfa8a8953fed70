import { describe, expect, test } from "bun:test"
import {
  folderFinding,
  forRedisAt,
  handlerFindings,
  portFinding,
  redisFindings,
  settingFindings,
  systemFindings,
  type Finding,
  unusableFinding,
  unwellOf
} from "../../api/cli/diagnosis.ts"
import { SettingsError } from "../../runtime/config.ts"
import { RedisUnusable } from "../../runtime/redis/address.ts"
import type { Examination } from "../../runtime/redis/examination.ts"
import { reportSettings } from "../../runtime/settings-report.ts"

const well: Examination = {
  version: "7.2.4",
  role: "master",
  policy: "noeviction",
  usedBytes: 2 ** 20,
  maxBytes: 2 ** 30,
  replicas: 1,
  aof: true,
  fsync: "everysec",
  snapshots: "",
  diskOk: true,
  clockAheadMs: 3,
  roundTrip: { medianMs: 0.2, maxMs: 0.6 },
  script: { medianMs: 0.3, maxMs: 0.6 },
  clients: 4
}

const unwell = (findings: ReadonlyArray<Finding>) =>
  findings.filter(({ state }) => state !== "ok").map(({ check, state }) => [check, state])

describe("what a Redis says of itself", () => {
  test("is all well where it is as it should be", () => {
    expect(unwell(redisFindings(well))).toEqual([])
  })

  const cases: ReadonlyArray<readonly [string, Partial<Examination>, string, string]> = [
    ["it is too old", { version: "6.2.14" }, "redis version", "fail"],
    ["it is a replica", { role: "slave" }, "redis role", "fail"],
    ["it evicts", { policy: "allkeys-lru" }, "eviction", "fail"],
    ["its last write to disk failed", { diskOk: false }, "persistence", "fail"],
    ["it writes nothing to disk", { aof: false }, "persistence", "warn"],
    ["it writes snapshots only", { aof: false, snapshots: "3600 1" }, "persistence", "warn"],
    ["it never syncs", { fsync: "no" }, "persistence", "warn"],
    ["its memory has no limit", { maxBytes: 0 }, "memory", "warn"],
    ["its memory is nearly full", { usedBytes: 0.9 * 2 ** 30 }, "memory", "warn"],
    ["its memory is full, so that every submit is refused", { usedBytes: 2 ** 30 }, "memory", "fail"],
    ["its clock is off", { clockAheadMs: -2_000 }, "clock", "warn"],
    ["it is far away", { roundTrip: { medianMs: 20, maxMs: 30 } }, "latency", "warn"],
    ["its scripts are slow", { script: { medianMs: 20, maxMs: 30 } }, "latency", "warn"]
  ]
  for (const [sentence, seen, check, state] of cases) {
    test(`is told with what mends it when ${sentence}`, () => {
      const findings = redisFindings({ ...well, ...seen })
      expect(unwell(findings)).toEqual([[check, state]])
      expect(findings.find((finding) => finding.check === check)?.do).toBeString()
    })
  }

  test("tells of the replicas where each submit waits for some", () => {
    expect(redisFindings(well, 1)).toContainEqual({
      check: "replicas",
      state: "ok",
      says: "1 connected, and a submit waits for 1"
    })
    expect(unwell(redisFindings(well, 2))).toEqual([["replicas", "fail"]])
  })

  test("does not count as skew what a slow line explains", () => {
    const far = { clockAheadMs: 2_000, roundTrip: { medianMs: 1, maxMs: 3_000 } }
    expect(unwell(redisFindings({ ...well, ...far }))).toEqual([])
  })
})

describe("a Redis that cannot be used", () => {
  const finding = (problem: RedisUnusable["problem"]) =>
    unusableFinding(new RedisUnusable({ problem, where: "127.0.0.1:6379", detail: "so it says" }))

  test("is told with what mends this problem, and not another", () => {
    expect(finding("unreachable")).toMatchObject({ check: "redis", do: expect.stringContaining("troupe up") })
    expect(finding("password")).toMatchObject({
      check: "redis",
      says: expect.stringContaining("refuses the user or password"),
      do: expect.stringContaining("percent-encoded")
    })
    expect(finding("address")).toMatchObject({
      check: "settings",
      do: expect.stringMatching(/^correct REDIS_URL/)
    })
  })

  test("is none where settings do not agree", () => {
    const reason = "6s is more than a third of TROUPE_LEASE, which is 15s"
    expect(unusableFinding(new SettingsError({ setting: "TROUPE_HEARTBEAT", reason }))).toEqual({
      check: "settings",
      state: "fail",
      says: `TROUPE_HEARTBEAT: ${reason}`,
      do: "correct it, or unset it"
    })
  })

  test("is a setting to be corrected where its address is none", () => {
    expect(unwellOf(settingFindings(reportSettings({ REDIS_URL: "redis://h:99999" })))).toMatchObject({
      of: "settings"
    })
  })

  test("is a matter of Redis where its memory is full", () => {
    expect(unwellOf(redisFindings({ ...well, usedBytes: 2 ** 30 }))).toMatchObject({ of: "redis" })
  })
})

test("what mends a Redis is said for that very one, and never with its password", () => {
  const evicts = { check: "eviction", state: "fail", says: "", do: "redis-cli config set" } as const
  const said = (address: Parameters<typeof forRedisAt>[0]) => forRedisAt(address)(evicts).do
  expect(said({ host: "127.0.0.1", port: 6379, password: "secret" })).toBe("redis-cli config set")
  expect(said({ host: "cache.example", port: 6380, tls: {} })).toBe(
    "redis-cli -h cache.example -p 6380 --tls config set"
  )
  expect(said({ path: "/srv/my shop/redis.sock" })).toBe("redis-cli -s '/srv/my shop/redis.sock' config set")
})

describe("how a system stands", () => {
  const queue = {
    name: "documents",
    paused: false,
    depth: { urgent: 0, high: 0, normal: 3, low: 0, boxed: 0 },
    dead: 0,
    oldestMs: 60_000
  }
  const workers = [{ state: "running", queues: ["default"] }]
  const nodes = [{ state: "running" }]

  test("is well where workers serve what waits", () => {
    const served = [{ state: "running", queues: ["documents"] }]
    expect(unwell(systemFindings({ nodes, workers: served, queues: [queue] }))).toEqual([])
  })

  test("counts a node that was lost no longer, however long it is listed", () => {
    const seen = { nodes: [...nodes, { state: "lost" }], workers, queues: [] }
    expect(systemFindings(seen)).toEqual([expect.objectContaining({ says: "1 live, on 1 node" })])
  })

  test("is told when nobody lives, nobody serves a queue, one is paused, and tasks have failed", () => {
    expect(unwell(systemFindings({ nodes: [], workers: [], queues: [] }))).toEqual([["workers", "warn"]])
    expect(systemFindings({ nodes, workers, queues: [queue] })).toContainEqual({
      check: "queues",
      state: "warn",
      says: "3 wait in documents, the oldest for 1m, and no worker serves it",
      do: "name it in TROUPE_QUEUES of a worker: documents:4"
    })
    expect(unwell(systemFindings({ nodes, workers, queues: [{ ...queue, paused: true, dead: 2 }] }))).toEqual(
      [
        ["queues", "warn"],
        ["dead letters", "warn"]
      ]
    )
  })
})

test("a broken module, a taken port and a folder that cannot be written have to be mended", () => {
  const broken = [{ module: "a.ts", reason: "SyntaxError" }]
  expect(unwell(handlerFindings({ names: ["a"], broken }))).toEqual([["handlers", "fail"]])
  expect(unwell(handlerFindings({ names: [], broken: [] }))).toEqual([["handlers", "warn"]])
  expect(["troupe", "free", "taken"].map((seen) => portFinding("here", seen as never).state)).toEqual([
    "ok",
    "ok",
    "fail"
  ])
  expect([folderFinding("files", undefined).state, folderFinding("files", "EACCES").state]).toEqual([
    "ok",
    "fail"
  ])
})

test("the gravest of what has to be mended is told, and a warning is none of it", () => {
  const failed = (check: string): Finding => ({ check, state: "fail", says: "", do: "" })
  expect(unwellOf([{ check: "memory", state: "warn", says: "", do: "" }])).toBeUndefined()
  expect(unwellOf([failed("port")])).toMatchObject({ count: 1, of: "others" })
  expect(unwellOf([failed("port"), failed("eviction")])).toMatchObject({ count: 2, of: "redis" })
  expect(unwellOf([failed("eviction"), failed("settings")])).toMatchObject({ of: "settings" })
})

describe("the settings as they are reported", () => {
  const reported = (environment: Record<string, string>) =>
    Object.fromEntries(reportSettings(environment).map(({ variable, ...rest }) => [variable, rest]))

  test("have their values, and who said so", () => {
    expect(reported({ TROUPE_WORKERS: "2..8" })).toMatchObject({
      TROUPE_WORKERS: { value: "2..8", from: "environment" },
      TROUPE_LEASE: { value: "15s", from: "default" },
      TROUPE_LOG: { value: "info", from: "default" },
      TROUPE_EMBEDDINGS: { value: "auto", from: "default" },
      TROUPE_VECTORS: { value: "pglite", from: "default" }
    })
  })

  test("never show a secret, not even one that cannot be read or is misspelt", () => {
    const secret = "hunter2"
    const said = JSON.stringify(
      reportSettings({
        REDIS_URL: `redis://app:${secret}@example.org:6379/1`,
        TROUPE_KEY_SECRET: secret,
        TROUPE_ENCRYPTION_KEYS: secret,
        TROUPE_ENCRYPTION_KEY: secret
      })
    )
    expect(said).not.toContain(secret)
    const many = [
      [
        `redis+sentinel://app:${secret}@a,b:1/m?sentinelPassword=${secret}`,
        "redis+sentinel://app:***@a,b:1/m?sentinelPassword=***"
      ],
      [`rediss+cluster://:${secret}@a,b`, "rediss+cluster://:***@a,b"],
      ["redis+cluster://a,b", "redis+cluster://a,b"],
      [`redis+cluster://app:${secret}/@a,b`, "(hidden)"]
    ] as const
    for (const [url, shown] of many)
      expect(reportSettings({ REDIS_URL: url })).toContainEqual(expect.objectContaining({ value: shown }))
    expect(said).toContain("redis://app:***@example.org:6379/1")
    expect(JSON.stringify(reportSettings({ REDIS_URL: `redis//:${secret}` }))).not.toContain(secret)
  })

  test("are all told that cannot be used, and not only the first", () => {
    const findings = settingFindings(reportSettings({ TROUPE_PROT: "1", TROUPE_LEASE: "soon" }))
    expect(findings.map(({ says }) => says)).toEqual([
      `TROUPE_LEASE: "soon" is not a duration such as "15 seconds"`,
      "TROUPE_PROT: there is no such setting; did you mean TROUPE_PORT?"
    ])
  })
})
