/** `npm start`, as people and supervisors of processes start and stop it. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
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
    let said = ""
    void (async () => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text
    })()
    const url = await eventually("the system to serve", () => /Serving at (\S+) until/.exec(said)?.[1])

    child.kill("SIGTERM")

    await child.exited
    await eventually("nobody to answer", async () =>
      (await fetch(`${url}/healthz`).catch(() => undefined)) === undefined ? true : undefined
    )
    expect(said).toContain("shutdown: SIGTERM")
  },
  120_000
)
