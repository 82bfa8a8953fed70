/** What `npm` starts, as people and supervisors of processes start and stop it. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { scripts } from "../../package.json"
import { hear, servesAt } from "../support/hearing.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { eventually } from "../support/waiting.ts"

const root = path.resolve(import.meta.dir, "../..")
const folder = mkdtempSync(path.join(tmpdir(), "troupe-start-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const npm = Bun.which("npm")

test.if(npm !== null)(
  "npm start ends the whole system when npm alone is told to stop",
  async () => {
    const child = Bun.spawn([npm!, "start", "--", "--no-sample", "--port", "0", "--workers", "1"], {
      cwd: root,
      env: {
        PATH: process.env["PATH"]!,
        HOME: folder,
        npm_config_update_notifier: "false",
        REDIS_URL: redisUrl,
        TROUPE_FILES: path.join(folder, "files"),
        TROUPE_NAMESPACE: aNamespace()
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe"
    })
    const { said } = hear(child.stderr)
    const url = await eventually("the system to serve", () => servesAt(said()))

    child.kill("SIGTERM")

    await child.exited
    await eventually("nobody to answer", async () =>
      (await fetch(`${url}/healthz`).catch(() => undefined)) === undefined ? true : undefined
    )
    expect(said()).toContain("shutdown: SIGTERM")
  },
  120_000
)

/** The processes that were started with this argument. */
const startedWith = (argument: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(argument)
    } catch {
      return false
    }
  })

test.if(npm !== null)(
  "a long run ends when npm alone is told to stop",
  async () => {
    const first = String(1_000_000_000 + process.pid)
    const child = Bun.spawn(
      [npm!, "run", "simulate", "--", "--jobs", "1", "--seeds", "999999", "--from", first],
      {
        cwd: root,
        env: {
          PATH: process.env["PATH"]!,
          HOME: folder,
          npm_config_update_notifier: "false",
          REDIS_URL: redisUrl
        },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore"
      }
    )
    await eventually("the run to be there", () =>
      startedWith(first).some((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("main.ts"))
        ? true
        : undefined
    )

    child.kill("SIGTERM")

    await child.exited
    await eventually("nobody to be left", () => (startedWith(first).length === 0 ? true : undefined))
  },
  120_000
)

test("every program that npm starts is in the end what npm has started, so that signals reach it", () => {
  const programs = Object.values(scripts).filter((script) => script.includes("&& "))

  expect(programs.length).toBeGreaterThan(5)
  for (const script of programs) expect(script).toContain(" && exec sh scripts/bun.sh ")
})
