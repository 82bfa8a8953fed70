/** How containers are set up: what they may do, write and are told, who is process 1, and a Redis that loses nothing by itself. */
import { describe, expect, test } from "bun:test"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { type Environment, Settings } from "../../runtime/config.ts"

const root = path.resolve(import.meta.dir, "../../deploy")
const read = (file: string) => readFileSync(path.join(root, file), "utf8")

const dockerfile = read("Dockerfile")
const said = (instruction: string) =>
  dockerfile
    .match(new RegExp(`^${instruction} .+$`, "gm"))
    ?.map((line) => line.slice(instruction.length + 1)) ?? []

describe("the image", () => {
  test("has a process 1 that takes in orphans, and hands signals on to Bun", () => {
    const [entrypoint] = said("ENTRYPOINT").map((line) => JSON.parse(line) as ReadonlyArray<string>)
    expect(entrypoint!.slice(0, 3)).toEqual(["tini", "--", "bun"])
    expect(dockerfile).toMatch(/^RUN .*apt-get install .* tini /m)
  })

  test("runs as a user that can be seen not to be root", () => {
    expect(said("USER")).toEqual(["1000:1000"])
  })
})

interface Pod {
  readonly enableServiceLinks?: boolean
  readonly automountServiceAccountToken?: boolean
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly containers: ReadonlyArray<{
    readonly ports: ReadonlyArray<{ readonly name: string }>
    readonly securityContext: unknown
    readonly volumeMounts: ReadonlyArray<{ readonly name: string; readonly mountPath: string }>
  }>
  readonly volumes: ReadonlyArray<{ readonly name: string }>
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: { readonly app: string; readonly part: string } }
      readonly spec: Pod
    }
  }
}

const manifests = Bun.YAML.parse(read("kubernetes/troupe.yml")) as ReadonlyArray<Manifest>
const deployments = manifests.filter(({ kind }) => kind === "Deployment")

/** Why the program would not start with these. */
const refusal = (environment: Environment) =>
  Effect.runSync(
    Settings.layer({}, environment).pipe(
      Layer.build,
      Effect.scoped,
      Effect.flip,
      Effect.map(({ message }) => message)
    )
  )

describe("in Kubernetes", () => {
  test.each(deployments.map((one) => [one.metadata.name, one.spec.template.spec] as const))(
    "%s may write nothing but files and what is temporary, as the image's user, who owns the files",
    (_, { containers, securityContext, volumes }) => {
      expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 })
      for (const { securityContext: own, volumeMounts } of containers) {
        expect(own).toEqual({
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] }
        })
        expect(volumeMounts.map(({ mountPath }) => mountPath).sort()).toEqual(["/data/files", "/tmp"])
        expect(volumeMounts.map(({ name }) => name).sort()).toEqual(volumes.map(({ name }) => name).sort())
      }
      expect(dockerfile).toContain("TROUPE_FILES=/data/files")
    }
  )

  test("no pod is given the variables of our own service, with which nothing would start, nor a token of the cluster", () => {
    const service = manifests.find(({ kind }) => kind === "Service")!.metadata.name
    const link = `${service.toUpperCase()}_PORT`

    expect(refusal({ [link]: "tcp://10.96.3.4:4000" })).toStartWith(`${link}: "tcp://10.96.3.4:4000" is not`)

    for (const { spec } of deployments)
      expect(spec.template.spec).toMatchObject({
        enableServiceLinks: false,
        automountServiceAccountToken: false
      })
  })

  test("Prometheus finds the pods by their labels and ports", () => {
    const { scrape_configs } = Bun.YAML.parse(read("prometheus/kubernetes.yml")) as {
      readonly scrape_configs: ReadonlyArray<{
        readonly relabel_configs: ReadonlyArray<{ readonly regex?: string; readonly action?: string }>
      }>
    }
    const kept = scrape_configs.map(({ relabel_configs }) =>
      relabel_configs.filter(({ action }) => action === "keep").map(({ regex }) => regex)
    )
    expect(kept).toEqual(
      deployments.map(({ spec: { template } }) => [
        `${template.metadata.labels.app};${template.metadata.labels.part}`,
        template.spec.containers[0]!.ports[0]!.name
      ])
    )
  })
})

test("in Docker Compose all is started again after the machine was, and Redis is bounded, throws nothing away and writes to disk", () => {
  const { services } = Bun.YAML.parse(read("compose/docker-compose.yml")) as {
    readonly services: Readonly<Record<string, { readonly restart?: string; readonly command?: string }>>
  }
  for (const [name, { restart }] of Object.entries(services))
    expect({ name, restart }).toEqual({ name, restart: "unless-stopped" })
  const command = services["redis"]!.command!
  for (const option of ["--maxmemory 1gb", "--maxmemory-policy noeviction", "--appendonly yes"])
    expect(command).toContain(option)
})
