import { describe, expect, test } from "bun:test"
import { Duration, Effect, Layer, Redacted } from "effect"
import { type Environment, Settings, type SettingsShape } from "../../runtime/config.ts"
import { concurrencyDefault } from "../../runtime/setting-texts.ts"
import { nearest } from "../../runtime/nearest.ts"
import { it } from "../support/effect.ts"

const read = (environment: Environment, over: Partial<SettingsShape> = {}) =>
  Effect.flatMap(Layer.build(Settings.layer(over, environment)), (context) =>
    Effect.provideContext(Settings, context)
  )

describe("a setting", () => {
  it.effect("has a default where the environment has none", () =>
    Effect.gen(function* () {
      expect(yield* read({ PATH: "/bin", HOME: undefined })).toEqual({
        redisUrl: undefined,
        replicas: 0,
        namespace: "troupe",
        host: "127.0.0.1",
        keySecret: undefined,
        port: 4000,
        origins: [],
        accessLog: "errors",
        handlers: undefined,
        queues: undefined,
        routes: [],
        unserved: "accept",
        workers: { min: 2, max: 2 },
        scaleUp: Duration.seconds(5),
        scaleDown: Duration.minutes(1),
        recycleTasks: undefined,
        recycleMemory: undefined,
        recycleAge: undefined,
        encryptionKeys: undefined,
        webhookSecrets: undefined,
        webhookNetworks: [],
        webhookBacklog: 256,
        networks: [],
        hosts: [],
        hostsDenied: [],
        secrets: [],
        shell: [],
        modelPrices: [],
        modelStall: Duration.minutes(2),
        tools: undefined,
        files: ".troupe/files",
        folders: [],
        embeddings: { kind: "auto" },
        embeddingsCache: 100_000,
        embeddingsRate: 1_000_000,
        vectors: Redacted.make({ kind: "pglite", folder: undefined }),
        lease: Duration.seconds(15),
        heartbeat: Duration.seconds(5),
        stall: Duration.minutes(5),
        retention: Duration.days(1),
        deadRetention: Duration.days(30),
        deadMax: 100_000,
        deadMemory: 1_024,
        metricsPort: undefined,
        drain: Duration.seconds(30),
        grace: Duration.seconds(1),
        log: "Info",
        logFormat: undefined
      })
    })
  )

  it.effect("is read from the environment", () =>
    Effect.gen(function* () {
      const { redisUrl, ...settings } = yield* read({
        REDIS_URL: "redis://:secret@localhost",
        TROUPE_REPLICAS: "2",
        TROUPE_NAMESPACE: "team-A.1",
        TROUPE_HOST: "::1",
        TROUPE_PORT: "0",
        TROUPE_ORIGINS: "https://app.example.com, http://localhost:5173",
        TROUPE_ACCESS_LOG: "all",
        TROUPE_HANDLERS: "./handlers",
        TROUPE_QUEUES: "documents:8, default",
        TROUPE_ROUTES: "llm.*=agents",
        TROUPE_UNSERVED: "refuse",
        TROUPE_WORKERS: "256",
        TROUPE_WEBHOOK_NETWORKS: "10.0.0.0/8",
        TROUPE_WEBHOOK_BACKLOG: "64",
        TROUPE_NETWORKS: "192.168.0.0/16",
        TROUPE_HOSTS: "api.example.com, *.Example.org",
        TROUPE_HOSTS_DENIED: "bad.example.org",
        TROUPE_SECRETS: "acme=STRIPE_KEY@api.stripe.com",
        TROUPE_SHELL: "pdftotext, /opt/bin/convert",
        TROUPE_MODEL_PRICES: "llama*=0/0.5",
        TROUPE_MODEL_STALL: "10 seconds",
        TROUPE_TOOLS: "./tools",
        TROUPE_FILES: "/data",
        TROUPE_FOLDERS: "/in:/more in:",
        TROUPE_EMBEDDINGS: "openai:text-embedding-3-large",
        TROUPE_EMBEDDINGS_CACHE: "0",
        TROUPE_EMBEDDINGS_RATE: "5000",
        TROUPE_VECTORS: "postgres://me:secret@db/app",
        TROUPE_SCALE_UP: "2 seconds",
        TROUPE_SCALE_DOWN: "5 minutes",
        TROUPE_RECYCLE_TASKS: "1000",
        TROUPE_RECYCLE_MEMORY: "512",
        TROUPE_RECYCLE_AGE: "1 day",
        TROUPE_LEASE: "1 second",
        TROUPE_HEARTBEAT: "200 millis",
        TROUPE_STALL: "1 minute",
        TROUPE_RETENTION: "2 weeks",
        TROUPE_DEAD_RETENTION: "1.5 hours",
        TROUPE_DEAD_MAX: "0",
        TROUPE_DEAD_MEMORY: "64",
        TROUPE_DRAIN: "0 seconds",
        TROUPE_GRACE: "5 seconds",
        TROUPE_LOG: "debug",
        TROUPE_LOG_FORMAT: "json",
        TROUPE_METRICS_PORT: "9464"
      })

      expect(Redacted.value(redisUrl!)).toBe("redis://:secret@localhost")
      expect(settings).toEqual({
        replicas: 2,
        namespace: "team-A.1",
        host: "::1",
        keySecret: undefined,
        port: 0,
        origins: ["https://app.example.com", "http://localhost:5173"],
        accessLog: "all",
        handlers: "./handlers",
        queues: [
          { queue: "documents", concurrency: 8 },
          { queue: "default", concurrency: concurrencyDefault }
        ],
        routes: [{ pattern: "llm.*", queues: ["agents"], matches: expect.any(Function) }],
        unserved: "refuse",
        workers: { min: 256, max: 256 },
        scaleUp: Duration.seconds(2),
        scaleDown: Duration.minutes(5),
        recycleTasks: 1_000,
        recycleMemory: 512,
        recycleAge: Duration.days(1),
        encryptionKeys: undefined,
        webhookSecrets: undefined,
        webhookNetworks: ["10.0.0.0/8"],
        webhookBacklog: 64,
        networks: ["192.168.0.0/16"],
        hosts: ["api.example.com", "*.example.org"],
        hostsDenied: ["bad.example.org"],
        secrets: [{ tenant: "acme", variable: "STRIPE_KEY", host: "api.stripe.com" }],
        shell: ["pdftotext", "/opt/bin/convert"],
        modelPrices: [{ model: "llama*", input: 0, output: 0.5 }],
        modelStall: Duration.seconds(10),
        tools: "./tools",
        files: "/data",
        folders: ["/in", "/more in"],
        embeddings: { kind: "openai", name: "text-embedding-3-large" },
        embeddingsCache: 0,
        embeddingsRate: 5_000,
        vectors: Redacted.make({ kind: "postgres", url: "postgres://me:secret@db/app" }),
        lease: Duration.seconds(1),
        heartbeat: Duration.millis(200),
        stall: Duration.minutes(1),
        retention: Duration.weeks(2),
        deadRetention: Duration.minutes(90),
        deadMax: 0,
        deadMemory: 64,
        metricsPort: 9464,
        drain: Duration.zero,
        grace: Duration.seconds(5),
        log: "Debug",
        logFormat: "json"
      })
    })
  )

  it.effect("is what a command's flag says, over the environment", () =>
    Effect.gen(function* () {
      expect((yield* read({ TROUPE_PORT: "5000" }, { port: 6000 })).port).toBe(6000)
    })
  )

  it.effect("does not show a password when it is printed", () =>
    Effect.gen(function* () {
      const settings = yield* read({ REDIS_URL: "redis://:hunter2@localhost" })

      expect(`${JSON.stringify(settings)} ${Bun.inspect(settings)}`).not.toContain("hunter2")
    })
  )

  it.effect("may be a range of worker processes", () =>
    Effect.gen(function* () {
      expect((yield* read({ TROUPE_WORKERS: "2..8" })).workers).toEqual({ min: 2, max: 8 })
    })
  )

  it.effect("follows another that it has to agree with, where nobody says it", () =>
    Effect.gen(function* () {
      expect((yield* read({ TROUPE_LEASE: "3 seconds" })).heartbeat).toEqual(Duration.seconds(1))
      expect((yield* read({}, { lease: Duration.seconds(6) })).heartbeat).toEqual(Duration.seconds(2))
    })
  )

  const durations: ReadonlyArray<readonly [text: string, duration: Duration.Duration]> = [
    ["30s", Duration.seconds(30)],
    ["1m 30s", Duration.seconds(90)],
    ["1m30s", Duration.seconds(90)],
    ["500ms", Duration.millis(500)],
    ["1.5 hours", Duration.minutes(90)],
    ["1 day", Duration.days(1)]
  ]
  for (const [text, duration] of durations) {
    it.effect(`is a duration that is written ${text}, as a flag and a message write it`, () =>
      Effect.gen(function* () {
        expect((yield* read({ TROUPE_DRAIN: text })).drain).toEqual(duration)
      })
    )
  }

  const notWorkers = (value: string) =>
    `"${value}" is neither a whole number from 1 to 256 nor a range of them such as 2..8`
  const wrong: ReadonlyArray<readonly [variable: string, value: string, reason: string]> = [
    ["REDIS_URL", "", "must not be empty"],
    ["REDIS_URL", "foo", "it is not a URL such as redis://127.0.0.1:6379"],
    ["REDIS_URL", "redis://h:99999", "it is not a URL such as redis://127.0.0.1:6379"],
    [
      "REDIS_URL",
      "http://x",
      "it starts with http:; use redis://, rediss://, unix:, redis+sentinel:// or redis+cluster://"
    ],
    [
      "REDIS_URL",
      "redis+sentinel://a",
      "it wants the name of the primary, as in redis+sentinel://host:26379,other:26379/mymaster"
    ],
    ["TROUPE_NAMESPACE", "", `"" is not 1 to 64 of A-Z a-z 0-9 _ . -`],
    ["TROUPE_NAMESPACE", "a:b", `"a:b" is not 1 to 64 of A-Z a-z 0-9 _ . -`],
    ["TROUPE_NAMESPACE", "{a}", `"{a}" is not 1 to 64 of A-Z a-z 0-9 _ . -`],
    ["TROUPE_NAMESPACE", "a".repeat(65), `"${"a".repeat(65)}" is not 1 to 64 of A-Z a-z 0-9 _ . -`],
    ["TROUPE_HOST", "", "must not be empty"],
    ["TROUPE_PORT", "65536", `"65536" is not a whole number from 0 to 65535`],
    ["TROUPE_PORT", "-1", `"-1" is not a whole number from 0 to 65535`],
    ["TROUPE_PORT", "80.5", `"80.5" is not a whole number from 0 to 65535`],
    ["TROUPE_PORT", "0x50", `"0x50" is not a whole number from 0 to 65535`],
    ["TROUPE_PORT", "", `"" is not a whole number from 0 to 65535`],
    ["TROUPE_HANDLERS", "", "must not be empty"],
    ["TROUPE_QUEUES", "", `"" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`],
    [
      "TROUPE_QUEUES",
      "documents:0",
      `"documents:0" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`
    ],
    [
      "TROUPE_QUEUES",
      "documents:10001",
      `"documents:10001" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`
    ],
    [
      "TROUPE_QUEUES",
      "default:4,Documents:8",
      `"Documents:8" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`
    ],
    ["TROUPE_QUEUES", "a:1:2", `"a:1:2" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`],
    ["TROUPE_QUEUES", "a:1,a:2", "queue a is named twice"],
    ["TROUPE_WORKERS", "0", notWorkers("0")],
    ["TROUPE_WORKERS", "257", notWorkers("257")],
    ["TROUPE_WORKERS", "8..2", notWorkers("8..2")],
    ["TROUPE_WORKERS", "2-8", notWorkers("2-8")],
    ["TROUPE_HEARTBEAT", "6 seconds", "6s is more than a third of TROUPE_LEASE, which is 15s"],
    ["TROUPE_RECYCLE_TASKS", "0", `"0" is not a whole number from 1 to 1000000000`],
    ["TROUPE_FILES", "", "must not be empty"],
    ["TROUPE_FILES", "s3://", `"s3://" is neither a folder nor s3://bucket/prefix`],
    ["TROUPE_FILES", "gs://bucket", `"gs://bucket" is neither a folder nor s3://bucket/prefix`],
    ["TROUPE_LEASE", "15", `"15" is not a duration such as "15 seconds"`],
    ["TROUPE_LEASE", "soon", `"soon" is not a duration such as "15 seconds"`],
    ["TROUPE_LEASE", "900 millis", `"900 millis" is less than 1s`],
    ["TROUPE_LEASE", "Infinity", `"Infinity" has no end`],
    ["TROUPE_RETENTION", "0 seconds", `"0 seconds" is less than 1m`],
    ["TROUPE_DEAD_RETENTION", "", `"" is not a duration such as "15 seconds"`],
    ["TROUPE_DRAIN", "-1 seconds", `"-1 seconds" is less than 0`],
    ["TROUPE_UNSERVED", "warn", `"warn" is none of accept, refuse`],
    ["TROUPE_LOG", "verbose", `"verbose" is none of debug, info, warn, error, none`],
    ["TROUPE_LOG", "toString", `"toString" is none of debug, info, warn, error, none`],
    ["TROUPE_LOG", "Info", `"Info" is none of debug, info, warn, error, none`]
  ]

  for (const [variable, value, reason] of wrong) {
    it.effect(`is refused as ${variable}="${value.slice(0, 30)}", with a reason`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [variable]: value }))

        expect(error).toMatchObject({ _tag: "SettingsError", setting: variable, reason })
        expect(error.message).toBe(`${variable}: ${reason}`)
      })
    )
  }

  const misspelt: ReadonlyArray<readonly [name: string, reason: string]> = [
    ["TROUPE_LEASES", "there is no such setting; did you mean TROUPE_LEASE?"],
    ["TROUPE_NAMSPACE", "there is no such setting; did you mean TROUPE_NAMESPACE?"],
    ["TROUPE_port", "there is no such setting; did you mean TROUPE_PORT?"],
    ["TROUPE_REDIS_URL", "there is no such setting; did you mean REDIS_URL?"],
    ["TROUPE_REDIS", "there is no such setting; did you mean REDIS_URL?"],
    ["TROUPE_DEAD", "there is no such setting"],
    ["TROUPE_", "there is no such setting"],
    ["TROUPE_COLOUR_OF_THE_CURTAINS", "there is no such setting"]
  ]

  for (const [name, reason] of misspelt) {
    it.effect(`called ${name} is none`, () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(read({ [name]: "1" }))).toMatchObject({ setting: name, reason })
      })
    )
  }
})

describe("the nearest name", () => {
  test.each([
    ["leese", "lease"],
    ["LEASE", "lease"],
    ["retetnion", "retention"],
    ["retention", "retention"]
  ])("of %s is %s", (word, name) => {
    expect(nearest(word, ["lease", "retention", "drain"])).toBe(name)
  })

  test.each([["curtains"], [""]])("of %j is none of them", (word) => {
    expect(nearest(word, ["lease", "retention", "drain"])).toBeUndefined()
  })

  test("is none where there are none", () => {
    expect(nearest("lease", [])).toBeUndefined()
  })
})
