/** What the command line says of a whole system that it starts, and of the sample job that it has done. */
import { describe, expect, test } from "bun:test"
import { readdirSync, statSync } from "node:fs"
import * as path from "node:path"
import { startNode } from "../support/node.ts"
import { folder, programIn } from "../support/program.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"

const does = (sentence: string, body: () => Promise<void>) => test.concurrent(sentence, body, 120_000)

const main = path.resolve(import.meta.dir, "../../api/main.ts")

interface Up {
  readonly args?: ReadonlyArray<string>
  readonly namespace?: string
  readonly env?: Readonly<Record<string, string>>
  /** Whether it has said what it was started for; then it is told to stop. */
  readonly heard?: (said: string) => boolean
}

const serves = (said: string) => said.includes("Serving at")

/** Starts `troupe up` with one worker, and tells it to stop once it has said what is waited for. */
const upUntil = async ({ args = [], env = {}, heard = serves, namespace = aNamespace() }: Up) => {
  const up = Bun.spawn([process.execPath, main, "up", "--port", "0", "--workers", "1", ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"]!, REDIS_URL: redisUrl, TROUPE_NAMESPACE: namespace, ...env },
    stdout: "ignore",
    stderr: "pipe"
  })
  let said = ""
  let isTold = false
  for await (const piece of up.stderr.pipeThrough(new TextDecoderStream())) {
    said += piece
    if (isTold || !heard(said)) continue
    isTold = true
    up.kill("SIGTERM")
  }
  return { code: await up.exited, said }
}

describe("troupe up", () => {
  test("says nothing but JSON where that is what its log is set to", async () => {
    const { code, said } = await upUntil({
      args: ["--no-sample"],
      env: { TROUPE_LOG_FORMAT: "json" }
    })

    const messages = said
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).message)
    expect(code).toBe(0)
    expect(messages).toContainEqual(expect.stringMatching(/^Troupe is up: http/))
    expect(messages).toContainEqual(expect.stringMatching(/^Serving at http/))
  }, 120_000)

  test("keeps what its private Redis writes from other users of the machine", async () => {
    await using node = await startNode({ workers: 1, privateRedis: true })

    const written = path.join(node.folder, ".troupe/appendonlydir")
    expect(readdirSync(written)).not.toEqual([])
    expect((statSync(written).mode & 0o777).toString(8)).toBe("700")
  }, 120_000)
})

describe("the sample job of troupe up", () => {
  const env = { TROUPE_LOG: "warn" }

  does("is given up where the API asks for a key, and the system goes on", async () => {
    const namespace = aNamespace()
    expect((await programIn(namespace).troupe(["keys", "create", "--role", "admin"])).code).toBe(0)

    const { code, said } = await upUntil({ namespace, env })

    expect(code).toBe(0)
    expect(said).toContain(
      "the sample job failed at uploading: the API asks for a key, and the sample job has none; the system goes on\n"
    )
    expect(said).toContain("Serving at http")
  })

  does("is given up where nobody would run it, and leaves no task that waits", async () => {
    const namespace = aNamespace()

    const { code, said } = await upUntil({ args: ["--queues", "default"], namespace, env })

    expect(code).toBe(0)
    expect(said).toContain(
      "the sample job failed at document.process: no live worker serves queue documents; the system goes on\n"
    )
    const tasks = await programIn(namespace).troupe(["tasks", "--json"])
    expect(
      tasks.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).state)
    ).toEqual(["cancelled"])
  })

  does("decides the exit code where it is all that was asked for", async () => {
    const { code, said } = await upUntil({ args: ["--queues", "default", "--once"], env, heard: () => false })

    expect(code).toBe(1)
    expect(said).toContain(
      "troupe: the sample job failed at document.process: no live worker serves queue documents\n"
    )
  })
})
