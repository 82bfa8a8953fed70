/**
 * Every setting there is: its variable, its unit, its default, what it costs to change, and how its text is read.
 *
 * A setting is a field of `SettingsShape` with its comment, and a row of `table`. What is here is all that can be set; how an
 * environment is read by it, and what is refused, is in `config.ts`.
 */
import { Duration, type LogLevel, Redacted, Result } from "effect"
import { type EmbeddingModel, readEmbeddingModel } from "./embedding-model.ts"
import { type KeyRing, readKeyRing } from "./encryption/key-ring.ts"
import { type ModelPrice, readModelPrices } from "./model-prices.ts"
import { readHosts } from "./network/hosts.ts"
import { readNetworks } from "./network/network.ts"
import { readRoutes, type Route } from "./routes.ts"
import { readSecretRules, type SecretRule } from "./secret-rules.ts"
import {
  atLeast,
  filesPlace,
  level,
  namespace,
  oneOf,
  originList,
  redisAddress,
  type Subscription,
  subscriptions,
  text,
  whole,
  type WorkerRange,
  workers
} from "./setting-texts.ts"
import { readShell, type ShellRules } from "./shell-rules.ts"
import { readVectorsPlace, type VectorsPlace } from "./vectors-place.ts"
import { readWebhookSecrets, type WebhookSecrets } from "./webhook-secrets.ts"

/** All settings, as they were read. Each says its variable, its unit, its default, and what it costs to change. */
export interface SettingsShape {
  /**
   * `REDIS_URL`: `redis://`, `rediss://`, `unix:/path/to.sock`, `redis+sentinel://` or `redis+cluster://`. Redacted, because it often holds a password.
   * Unset: `troupe up` starts a private Redis under `.troupe/`, and the other commands look for that one.
   */
  readonly redisUrl: Redacted.Redacted<string> | undefined

  /**
   * `TROUPE_REPLICAS`, default 0, at most 5: how many replicas of Redis must have a task before its submit is acknowledged.
   * It costs each submit the way to them; with fewer of them submits fail, as in an outage.
   */
  readonly replicas: number

  /** `TROUPE_NAMESPACE`, default `troupe`. Two systems may share a Redis by differing here. */
  readonly namespace: string

  /** `TROUPE_HOST`, default `127.0.0.1`. Where the API listens. */
  readonly host: string

  /**
   * `TROUPE_KEY_SECRET`, default none. Goes into what is stored of access keys, so that nobody who can write to Redis
   * can make one. All processes must say the same; with another one no key counts any more.
   */
  readonly keySecret: Redacted.Redacted<string> | undefined

  /** `TROUPE_PORT`, default 4000; 0 takes a free one. */
  readonly port: number

  /**
   * `TROUPE_ORIGINS`, as `https://app.example.com,http://localhost:5173`, default none: the origins whose pages may use the
   * API from a browser.
   */
  readonly origins: ReadonlyArray<string>

  /**
   * `TROUPE_ACCESS_LOG`, default `errors`: which requests have a line in the log: `all`, `errors` (answered with 500 or more)
   * or `none`. A line costs about as much as a small request.
   */
  readonly accessLog: "all" | "errors" | "none"

  /** `TROUPE_HANDLERS`: a folder whose modules' exports are loaded as handlers, beside the built-in ones. */
  readonly handlers: string | undefined

  /**
   * `TROUPE_QUEUES`, as `documents:8,default:4`: the queues this process serves and how many tasks of each it
   * runs at once. Unset: every queue that a loaded handler names, `concurrencyDefault` at a time.
   */
  readonly queues: ReadonlyArray<Subscription> | undefined

  /**
   * `TROUPE_ROUTES`, as `llm.*=agents|agents2,*.embed=vectors`, default none: the queues of handlers by their names, the
   * first match counts. Of several queues the least loaded one is taken; tasks of one key, or guard, stay together.
   * Only a submitter who names a queue is above it. All processes must say the same.
   */
  readonly routes: ReadonlyArray<Route>

  /**
   * `TROUPE_UNSERVED`, default `accept`: a task that no live worker can run is taken, with a warning; `refuse` takes
   * none such. Refusing tells of a missing worker at once, and turns submits away while the only one starts anew.
   */
  readonly unserved: "accept" | "refuse"

  /**
   * `TROUPE_WORKERS`, default 2: how many worker processes a node keeps; or `2..8`, as many between them as the age of
   * what waits asks for.
   */
  readonly workers: WorkerRange

  /** `TROUPE_SCALE_UP`, default 5 seconds. A node starts more workers when the oldest waiting task is older. */
  readonly scaleUp: Duration.Duration

  /**
   * `TROUPE_SCALE_DOWN`, default 1 minute. A node drains one of its workers when nothing has waited long for that
   * time. Shorter frees memory sooner, and starts processes more often.
   */
  readonly scaleDown: Duration.Duration

  /** When a node puts a fresh process in a worker's place: `TROUPE_RECYCLE_TASKS`, `_MEMORY`, `_AGE`. */
  readonly recycleTasks: number | undefined
  /** In MiB of resident memory. */
  readonly recycleMemory: number | undefined
  readonly recycleAge: Duration.Duration | undefined

  /**
   * `TROUPE_ENCRYPTION_KEYS`, as `2026:<base64 of 32 bytes>,2025:<…>`, default none: payloads in Redis, and files, are sealed with the
   * first key, and opened with any of them. A key that is taken out while something is sealed with it makes that
   * unreadable until it is put back. All processes must have the same.
   */
  readonly encryptionKeys: Redacted.Redacted<KeyRing> | undefined

  /**
   * `TROUPE_WEBHOOK_SECRETS`, as `whsec_<base64>` or `tenant=whsec_<base64>`, commas between them, default none: what
   * callbacks are signed with. All of a tenant's sign, so that a receiver may change from one to the next. Without any,
   * a task with a callback is refused.
   */
  readonly webhookSecrets: Redacted.Redacted<WebhookSecrets> | undefined

  /**
   * `TROUPE_WEBHOOK_NETWORKS`, as `10.0.0.0/8,fd00::/8`, default none: addresses that callbacks may go to beside public
   * ones. Whoever may submit can then reach what is there.
   */
  readonly webhookNetworks: ReadonlyArray<string>

  /**
   * `TROUPE_WEBHOOK_BACKLOG`, in MiB, 1 to 1 048 576, default 256: how much of a tenant's callbacks may wait to be told. Where
   * it is reached they are told without outputs, and then not at all: they are dead letters. All processes must say the same.
   */
  readonly webhookBacklog: number

  /**
   * `TROUPE_NETWORKS`, as `10.0.0.0/8,fd00::/8`, default none: addresses that handlers' guarded requests may go to beside
   * public ones. Whoever may submit can then reach what is there.
   */
  readonly networks: ReadonlyArray<string>

  /**
   * `TROUPE_HOSTS`, as `api.example.com,*.example.org`, default all: the names that handlers' guarded requests may go to.
   * `TROUPE_HOSTS_DENIED`, default none: those that they may not, which count first.
   */
  readonly hosts: ReadonlyArray<string>
  readonly hostsDenied: ReadonlyArray<string>

  /**
   * `TROUPE_SECRETS`, as `GITHUB_TOKEN@api.github.com,acme=STRIPE_KEY@api.stripe.com`, default none: variables that tasks
   * may have sent to a host by naming them. Their values are read when they are sent, and are stored nowhere.
   */
  readonly secrets: ReadonlyArray<SecretRule>

  /**
   * `TROUPE_SHELL`, as `pdftotext,/opt/bin/convert`, default none: the programs that `shell.run` may start. Without any it
   * refuses every task. `sh` among them means any program at all.
   */
  readonly shell: ShellRules

  /**
   * `TROUPE_MODEL_PRICES`, as `gpt-5.4-mini=0.25/2,claude-*=1/5`, default none: what a million tokens of input and of output
   * cost, in any currency. What models without a price cost is not recorded.
   */
  readonly modelPrices: ReadonlyArray<ModelPrice>

  /**
   * `TROUPE_MODEL_STALL`, default 2 minutes. A language model that says nothing for so long is given up, and asked again.
   * Longer than a model thinks before its first word.
   */
  readonly modelStall: Duration.Duration

  /** `TROUPE_TOOLS`: a folder whose modules' exports are tools that language models may call. Default none. */
  readonly tools: string | undefined

  /** `TROUPE_FILES`, default `.troupe/files`. The folder of uploaded and processed files; all processes share it. */
  readonly files: string

  /**
   * `TROUPE_FOLDERS`, folders separated by `:`, default none. An input may name a file by its path only below
   * one of them.
   */
  readonly folders: ReadonlyArray<string>

  /**
   * `TROUPE_EMBEDDINGS`, default `auto`: the model that texts are embedded with where a task names none: `local`, `hash`,
   * `openai:name`; `auto` is the local one where it is installed, else the hashes. Vectors of one model say nothing
   * beside those of another, so a change means that collections are filled anew.
   */
  readonly embeddings: EmbeddingModel

  /**
   * `TROUPE_EMBEDDINGS_CACHE`, default 100 000: how many vectors of texts are kept for each tenant and model; 0 keeps
   * none. One takes about four bytes for each dimension of it, and a file or an object.
   */
  readonly embeddingsCache: number

  /** `TROUPE_EMBEDDINGS_RATE`, default 1 000 000: how many tokens a minute all processes send to a provider. */
  readonly embeddingsRate: number

  /**
   * `TROUPE_VECTORS`, default `pglite`: where vectors are kept: `pglite`, `pglite:folder`, `postgres://…`, `redis`,
   * `redis://…`, `pinecone:https://index-host`. Redacted, because it often holds a password. All processes must say the
   * same; what was written elsewhere stays there.
   */
  readonly vectors: Redacted.Redacted<VectorsPlace>

  /**
   * `TROUPE_LEASE`, default 15 seconds. How long the tasks of a dead worker wait when nobody saw it die.
   * Shorter recovers sooner, and costs needless re-runs when a process or the network stalls for so long.
   */
  readonly lease: Duration.Duration

  /**
   * `TROUPE_HEARTBEAT`, default 5 seconds, or a third of a shorter lease. How often a node and a worker say that they
   * live, and what they are. At most a third of `TROUPE_LEASE`: two may be missed.
   */
  readonly heartbeat: Duration.Duration

  /**
   * `TROUPE_STALL`, default 5 minutes. How long a node keeps the lease of a worker whose process lives and says
   * nothing, as while a handler blocks it; then the process is killed. Shorter frees what a stuck process holds
   * sooner, and kills handlers that compute for so long.
   */
  readonly stall: Duration.Duration

  /**
   * `TROUPE_RETENTION`, default 1 day, at least 1 minute: a submit whose answer was lost is said again for some
   * seconds, and must find its tasks there even if they have ended. How long results and streams are kept after a
   * task's end, and of children what they gave until their parents have ended.
   */
  readonly retention: Duration.Duration

  /** `TROUPE_DEAD_RETENTION`, default 30 days. How long a dead letter is kept. */
  readonly deadRetention: Duration.Duration

  /**
   * `TROUPE_DEAD_MAX`, default 100 000. How many dead letters a queue keeps: over it the oldest go, whatever their age.
   * A dead letter takes as much of Redis's memory as its input and its errors.
   */
  readonly deadMax: number

  /**
   * `TROUPE_DEAD_MEMORY`, in MiB, default 1024. How much of Redis's memory the dead letters of a queue take, about: over it
   * the oldest go, whatever their age.
   */
  readonly deadMemory: number

  /**
   * `TROUPE_METRICS_PORT`, default none: where a process without an API answers `/metrics` and `/healthz`, on
   * `TROUPE_HOST`; 0 takes a free one. A worker under a node needs none: the node's API tells of it.
   */
  readonly metricsPort: number | undefined

  /** `TROUPE_DRAIN`, default 30 seconds. How long a stopping worker lets its running tasks finish. */
  readonly drain: Duration.Duration

  /**
   * `TROUPE_GRACE`, default 1 second. How long a stopping API says that it is not ready, and serves as before, before it
   * closes. Longer than whoever sends requests takes to see that it is not ready.
   */
  readonly grace: Duration.Duration

  /** `TROUPE_LOG`, default `info`: `debug`, `info`, `warn`, `error` or `none`. */
  readonly log: LogLevel.LogLevel

  /**
   * `TROUPE_LOG_FORMAT`: `json`, an object a line; `logfmt`, `key=value`; or `pretty`, for people. Default: `pretty` on a
   * terminal, else `logfmt`.
   */
  readonly logFormat: "json" | "logfmt" | "pretty" | undefined
}

/** One row a setting: its variable, what it is when unset, and how its text is read or why it cannot be. */
export type Row<A> = readonly [
  variable: string,
  otherwise: A,
  read: (text: string) => Result.Result<A, string>
]

export const table: { readonly [name in keyof SettingsShape]: Row<SettingsShape[name]> } = {
  redisUrl: ["REDIS_URL", undefined, redisAddress],
  replicas: ["TROUPE_REPLICAS", 0, whole(0, 5)],
  namespace: ["TROUPE_NAMESPACE", "troupe", namespace],
  host: ["TROUPE_HOST", "127.0.0.1", text],
  keySecret: [
    "TROUPE_KEY_SECRET",
    undefined,
    (value) =>
      value.length < 16 ? Result.fail("has less than 16 characters") : Result.succeed(Redacted.make(value))
  ],
  port: ["TROUPE_PORT", 4000, whole(0, 65_535)],
  origins: ["TROUPE_ORIGINS", [], originList],
  accessLog: ["TROUPE_ACCESS_LOG", "errors", oneOf("all", "errors", "none")],
  handlers: ["TROUPE_HANDLERS", undefined, text],
  queues: ["TROUPE_QUEUES", undefined, subscriptions],
  routes: ["TROUPE_ROUTES", [], readRoutes],
  unserved: ["TROUPE_UNSERVED", "accept", oneOf("accept", "refuse")],
  workers: ["TROUPE_WORKERS", { min: 2, max: 2 }, workers],
  scaleUp: ["TROUPE_SCALE_UP", Duration.seconds(5), atLeast(Duration.millis(100))],
  scaleDown: ["TROUPE_SCALE_DOWN", Duration.minutes(1), atLeast(Duration.seconds(1))],
  recycleTasks: ["TROUPE_RECYCLE_TASKS", undefined, whole(1, 1_000_000_000)],
  recycleMemory: ["TROUPE_RECYCLE_MEMORY", undefined, whole(1, 16_777_216)],
  recycleAge: ["TROUPE_RECYCLE_AGE", undefined, atLeast(Duration.seconds(1))],
  encryptionKeys: ["TROUPE_ENCRYPTION_KEYS", undefined, readKeyRing],
  webhookSecrets: ["TROUPE_WEBHOOK_SECRETS", undefined, readWebhookSecrets],
  webhookNetworks: ["TROUPE_WEBHOOK_NETWORKS", [], readNetworks],
  webhookBacklog: ["TROUPE_WEBHOOK_BACKLOG", 256, whole(1, 1_048_576)],
  networks: ["TROUPE_NETWORKS", [], readNetworks],
  hosts: ["TROUPE_HOSTS", [], readHosts],
  hostsDenied: ["TROUPE_HOSTS_DENIED", [], readHosts],
  secrets: ["TROUPE_SECRETS", [], readSecretRules],
  shell: ["TROUPE_SHELL", [], readShell],
  modelPrices: ["TROUPE_MODEL_PRICES", [], readModelPrices],
  modelStall: ["TROUPE_MODEL_STALL", Duration.minutes(2), atLeast(Duration.millis(100))],
  tools: ["TROUPE_TOOLS", undefined, text],
  files: ["TROUPE_FILES", ".troupe/files", filesPlace],
  folders: [
    "TROUPE_FOLDERS",
    [],
    (value) => Result.succeed(value.split(":").filter((folder) => folder !== ""))
  ],
  embeddings: ["TROUPE_EMBEDDINGS", { kind: "auto" }, readEmbeddingModel],
  embeddingsCache: ["TROUPE_EMBEDDINGS_CACHE", 100_000, whole(0, 100_000_000)],
  embeddingsRate: ["TROUPE_EMBEDDINGS_RATE", 1_000_000, whole(1, 1_000_000_000)],
  vectors: [
    "TROUPE_VECTORS",
    Redacted.make({ kind: "pglite", folder: undefined }),
    (value) => Result.map(readVectorsPlace(value), (place) => Redacted.make(place))
  ],
  lease: ["TROUPE_LEASE", Duration.seconds(15), atLeast(Duration.seconds(1))],
  heartbeat: ["TROUPE_HEARTBEAT", Duration.seconds(5), atLeast(Duration.millis(100))],
  stall: ["TROUPE_STALL", Duration.minutes(5), atLeast(Duration.seconds(1))],
  retention: ["TROUPE_RETENTION", Duration.days(1), atLeast(Duration.minutes(1))],
  deadRetention: ["TROUPE_DEAD_RETENTION", Duration.days(30), atLeast(Duration.minutes(1))],
  deadMax: ["TROUPE_DEAD_MAX", 100_000, whole(0, 100_000_000)],
  deadMemory: ["TROUPE_DEAD_MEMORY", 1_024, whole(1, 16_777_216)],
  metricsPort: ["TROUPE_METRICS_PORT", undefined, whole(0, 65_535)],
  drain: ["TROUPE_DRAIN", Duration.seconds(30), atLeast(Duration.zero)],
  grace: ["TROUPE_GRACE", Duration.seconds(1), atLeast(Duration.zero)],
  log: ["TROUPE_LOG", "Info", level],
  logFormat: ["TROUPE_LOG_FORMAT", undefined, oneOf("json", "logfmt", "pretty")]
}
