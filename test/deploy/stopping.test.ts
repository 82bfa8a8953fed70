/** What stops a process from outside gives it the time that its shutdown may take. */
import { describe, expect, test } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { nodeStopMaxOf } from "../../actors/node/stopping.ts"
import { workerStopMaxOf } from "../../actors/shutdown.ts"
import { type Environment, Settings } from "../../runtime/config.ts"

const root = path.resolve(import.meta.dir, "../../deploy")
const read = (file: string) => readFileSync(path.join(root, file), "utf8")

const settingsOf = (environment: Environment) =>
  Effect.runSync(
    Effect.scoped(
      Effect.flatMap(Layer.build(Settings.layer({}, environment)), (context) =>
        Effect.provideContext(Settings, context)
      )
    )
  )

const seconds = (duration: Duration.Duration) => Duration.toMillis(duration) / 1_000

interface Container {
  readonly args: ReadonlyArray<string>
  readonly env: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly livenessProbe: { readonly httpGet: { readonly path: string } }
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly [Container]
      }
    }
  }
}

const deployments = (Bun.YAML.parse(read("kubernetes/troupe.yml")) as ReadonlyArray<Manifest>).filter(
  ({ kind }) => kind === "Deployment"
)

describe("whoever stops a process waits for long enough", () => {
  test.each(deployments.map((one) => [one.metadata.name, one] as const))(
    "in Kubernetes: %s",
    (_, { spec }) => {
      const { containers, terminationGracePeriodSeconds } = spec.template.spec
      const [{ args, env, livenessProbe }] = containers
      const settings = settingsOf(Object.fromEntries(env.map(({ name, value }) => [name, value])))
      const most =
        args[0] === "worker" ? workerStopMaxOf(settings) : Duration.sum(settings.grace, Duration.seconds(15))
      expect(terminationGracePeriodSeconds).toBeGreaterThan(seconds(most))
      // Were Redis asked, an outage of it would restart everything.
      expect(livenessProbe.httpGet.path).toBe("/healthz")
    }
  )

  test("in Docker Compose", () => {
    const { services } = Bun.YAML.parse(read("compose/docker-compose.yml")) as {
      readonly services: {
        readonly troupe: { readonly environment: Environment; readonly stop_grace_period: string }
      }
    }
    const { environment, stop_grace_period } = services.troupe
    expect(Number.parseInt(stop_grace_period)).toBeGreaterThan(
      seconds(nodeStopMaxOf(settingsOf(environment)))
    )
  })

  test("as a service of systemd", () => {
    const [, timeout] = /^TimeoutStopSec=(\d+)$/m.exec(read("systemd/troupe.service"))!
    expect(Number(timeout)).toBeGreaterThan(seconds(nodeStopMaxOf(settingsOf({}))))
  })
})
