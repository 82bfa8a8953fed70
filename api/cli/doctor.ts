/** `troupe doctor`: looks at what a system needs, and says what is wrong and what mends it. It changes nothing. */
import { Effect, Layer, Redacted, Result, Schema } from "effect"
import { Command } from "effect/cli"
import { access, constants } from "node:fs/promises"
import * as path from "node:path"
import * as Tree from "../../actors/tree.ts"
import type { Environment as Variables } from "../../runtime/config.ts"
import { Settings } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { readAddress } from "../../runtime/redis/address.ts"
import { examine } from "../../runtime/redis/examination.ts"
import { primariesOf } from "../../runtime/redis/reach/open.ts"
import { Handlers } from "../../runtime/registry.ts"
import { reportSettings, type SettingReport } from "../../runtime/settings-report.ts"
import { Troupe } from "../client/effect.ts"
import { connected } from "../client/settings.ts"
import * as Diagnosis from "./diagnosis.ts"
import * as Environment from "./environment.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"

/** How long whoever listens at the API's port may take to say who it is. */
const answerMaxMs = 2_000

/** Asks who is at the API's address. What is no HTTP, or no Troupe, is somebody else. */
const portSeen = (host: string, port: number): Effect.Effect<Diagnosis.PortSeen> =>
  Effect.promise(async () => {
    const free = await new Promise<boolean>((resolve) => {
      Bun.connect({
        hostname: host,
        port,
        socket: {
          data() {},
          open: (socket) => (socket.end(), resolve(false)),
          connectError: () => resolve(true)
        }
      }).catch(() => resolve(true))
    })
    if (free) return "free"
    const address = `http://${host.includes(":") ? `[${host}]` : host}:${port}/healthz`
    return fetch(address, { signal: AbortSignal.timeout(answerMaxMs), redirect: "manual" })
      .then((response) => response.json())
      .then((body) =>
        Schema.is(Schema.Struct({ status: Schema.Literal("alive") }))(body) ? "troupe" : "taken"
      )
      .catch(() => "taken" as const)
  })

/** Why nothing can be written to a folder, or to where it would be made. */
const folderProblem = (folder: string): Effect.Effect<string | undefined> =>
  Effect.promise(async () => {
    for (let at = path.resolve(folder); ; at = path.dirname(at)) {
      const problem = await access(at, constants.W_OK).then(
        () => undefined,
        (error: NodeJS.ErrnoException) => error.code ?? error.message
      )
      if (problem !== "ENOENT" || at === path.dirname(at)) return problem
    }
  })

const systemFindings = (redisUrl: string) =>
  Effect.gen(function* () {
    const { nodes, queues, workers } = yield* Troupe
    return Diagnosis.systemFindings({
      nodes: yield* nodes.list(),
      workers: yield* workers.list(),
      queues: yield* queues.list()
    })
  }).pipe(
    Effect.provide(Troupe.layer({ redisUrl, settings: { handlers: undefined, log: "None" } })),
    // Why Redis cannot be used is said already.
    Effect.orElseSucceed(() => [])
  )

const redisFindings = Effect.gen(function* () {
  const { redisUrl, replicas } = yield* Settings
  const url = Redacted.value(redisUrl!)
  const address = yield* Effect.fromResult(readAddress(redisUrl!))
  const servers = yield* primariesOf(address)
  const findings = (yield* Effect.forEach(servers, (server) =>
    Effect.map(examine(server), (seen) => {
      const its = Diagnosis.redisFindings(seen, replicas).map(Diagnosis.forRedisAt(server))
      return servers.length > 1 ? its.map(Diagnosis.ofServer(server)) : its
    })
  )).flat()
  // A full one can still be read.
  const usable = findings.every(({ check, state }) => state !== "fail" || check === "memory")
  return [...findings, ...(usable ? yield* systemFindings(url) : [])]
})

/** What can be said when the settings can be used. */
const lookAround = (given: ReadonlyArray<TaskDefinition>, environment: Variables) =>
  Effect.gen(function* () {
    const { files, host, port } = yield* Settings
    const { all, broken } = yield* Handlers
    return [
      ...Diagnosis.handlerFindings({ names: all.map(({ name }) => name), broken }),
      Diagnosis.folderFinding(files, yield* folderProblem(files)),
      ...(port === 0 ? [] : [Diagnosis.portFinding(`${host}:${port}`, yield* portSeen(host, port))])
    ]
  }).pipe(
    Effect.provide(
      Tree.handlers(given).pipe(Layer.provideMerge(Settings.layer({ log: "None" }, environment)))
    )
  )

const marks = { ok: Output.green, warn: Output.yellow, fail: Output.red }

const findingText = ({ check, do: mend, says, state }: Diagnosis.Finding) =>
  [
    `${marks[state](state.padEnd(4))}  ${check.padEnd(13)} ${Output.tame(says)}`,
    ...(mend === undefined ? [] : [`      ${"".padEnd(13)} → ${mend}`])
  ].join("\n")

const settingText = ({ from, value, variable }: SettingReport) =>
  `${variable.padEnd(24)} ${value === undefined ? "(none)" : Output.tame(value)}${from === "default" && value !== undefined ? "  (default)" : ""}`

export const doctor = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "doctor",
    {
      redis: Environment.redis,
      port: Environment.port,
      handlers: Environment.handlers,
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ json, ...flags }) {
      const environment = Environment.environment(flags)
      const settings = reportSettings(environment)
      const findings = [...Diagnosis.settingFindings(settings)]
      if (findings.every(({ state }) => state === "ok")) {
        const redis = yield* Effect.result(
          Effect.provide(redisFindings, connected({ log: "None" }, environment))
        )
        if (Result.isSuccess(redis)) findings.push(...redis.success)
        else findings.push(Diagnosis.unusableFinding(redis.failure))
        findings.push(...(yield* lookAround(handlers, environment)))
      }
      yield* Output.print(
        json
          ? [...findings, ...settings].map((item) => JSON.stringify(item)).join("\n")
          : [...findings.map(findingText), "", ...settings.map(settingText)].join("\n")
      )
      const unwell = Diagnosis.unwellOf(findings)
      if (unwell !== undefined) return yield* unwell
    })
  ).pipe(
    Command.withDescription(
      "Looks at settings, Redis, handlers, ports and workers, and says of each what is wrong and what mends it. Exits with 0 when nothing has to be mended, with 2 for a setting, 5 for Redis, 1 for anything else"
    ),
    Command.withShortDescription("Says what is wrong, and what mends it"),
    Command.withExamples([
      { command: "troupe doctor", description: "Before the first task, and when something is odd" },
      { command: "troupe doctor --json", description: "A line of JSON a finding, then a line a setting" }
    ])
  )
