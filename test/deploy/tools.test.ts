/** The files of `deploy/` as the tools that read them judge them, where those are installed. */
import { afterAll, describe, expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const deploy = path.resolve(import.meta.dir, "../../deploy")
const folder = mkdtempSync(path.join(tmpdir(), "troupe-deploy-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const judged = (command: ReadonlyArray<string>) => {
  const { exitCode, stderr, stdout } = Bun.spawnSync([...command], { cwd: folder })
  return { exitCode, said: stdout.toString() + stderr.toString() }
}

/** A file with what is only there where the system is installed put in order. */
const localised = (file: string, to: string, replace: Readonly<Record<string, string>>) => {
  let text = readFileSync(path.join(deploy, file), "utf8")
  for (const [from, by] of Object.entries(replace)) text = text.replaceAll(from, by)
  writeFileSync(path.join(folder, to), text)
}

describe("the files of deploy", () => {
  test.skipIf(Bun.which("promtool") === null)("are rules and a configuration that Prometheus takes", () => {
    cpSync(path.join(deploy, "prometheus/alerts.yml"), path.join(folder, "alerts.yml"))
    writeFileSync(path.join(folder, "key"), "key")
    localised("prometheus/prometheus.yml", "prometheus.yml", {
      "/etc/prometheus/troupe-key": path.join(folder, "key")
    })
    // Debian's has no discovery of Kubernetes: what it says is held to the manifests by `containers.test.ts`.
    localised("prometheus/kubernetes.yml", "kubernetes.yml", {
      "/etc/prometheus/troupe-key": path.join(folder, "key"),
      "kubernetes_sd_configs: [{ role: pod, namespaces: { own_namespace: true } }]": "static_configs: []"
    })
    for (const file of ["prometheus.yml", "kubernetes.yml"])
      expect(judged(["promtool", "check", "config", file])).toMatchObject({ exitCode: 0 })
  })

  test.skipIf(Bun.which("systemd-analyze") === null)(
    "are a unit that systemd takes, and finds protected",
    () => {
      localised("systemd/troupe.service", "troupe.service", { "/usr/local/bin/bun": process.execPath })
      expect(judged(["systemd-analyze", "verify", "./troupe.service"])).toEqual({ exitCode: 0, said: "" })
      const { said } = judged(["systemd-analyze", "security", "--offline=true", "./troupe.service"])
      expect(Number(/exposure level for troupe.service: (\d+\.\d)/.exec(said)?.[1])).toBeLessThan(6)
    }
  )
})
