/**
 * A whole system that fails in every way, with a canary in everything that is nobody's business: inputs, outputs, keys,
 * headers, settings. What its processes print, and what the API answers to others than the owner of a task, has none.
 */
import { expect } from "bun:test"
import { Effect } from "effect"
import * as path from "node:path"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { it } from "../support/effect.ts"
import { localServer } from "../support/network.ts"
import { aFreePort, aServer } from "../support/server.ts"
import { eventually } from "../support/waiting.ts"

const root = path.resolve(import.meta.dir, "../..")

/** Found in no other text. The base64 of a key has one of its own. */
const canary = (of: string) => `canary${of}Zq7x`
const canaries = /canary[A-Za-z]*Zq7x|Y2FuYXJ5/g
const key = Buffer.from("canary".padEnd(32, "-")).toString("base64")

const settings = (port: number, folder: string) => ({
  PATH: process.env["PATH"]!,
  HOME: folder,
  REDIS_URL: `redis://:${canary("redis")}@127.0.0.1:${port}`,
  TROUPE_NAMESPACE: "leaks",
  TROUPE_HANDLERS: path.join(import.meta.dir, "leaks"),
  TROUPE_ENCRYPTION_KEYS: `a:${key}`,
  TROUPE_WEBHOOK_SECRETS: `whsec_${key}`,
  TROUPE_WEBHOOK_NETWORKS: "127.0.0.1/32",
  TROUPE_LOG: "debug",
  OPENAI_API_KEY: canary("openai")
})

const aProgram = (args: ReadonlyArray<string>, env: Record<string, string>, folder: string) => {
  const child = Bun.spawn([process.execPath, `${root}/api/main.ts`, ...args], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  let said = ""
  const hear = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream() as never) as AsyncIterable<string>) {
      said += text
    }
  }
  const heard = Promise.all([hear(child.stdout), hear(child.stderr)])
  return { child, said: () => said, ended: child.exited.then(() => heard).then(() => said) }
}

const aFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/troupe-leaks-`)),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const names = ["throws", "fatal", "later", "unhandled", "misfit", "no-json", "slow", "steps", "exits"]

it.live(
  "nothing of a payload, a key or a setting is printed or told, whatever fails",
  () =>
    Effect.gen(function* () {
      const folder = yield* aFolder
      const port = aFreePort()
      const redis = yield* aServer("--port", String(port), "--requirepass", canary("redis"))
      const env = settings(port, folder)
      const { port: hook } = yield* localServer(() => new Response(canary("answer"), { status: 500 }))
      const node = yield* Effect.acquireRelease(
        Effect.sync(() => aProgram(["up", "--no-sample", "--port", "0", "--workers", "1"], env, folder)),
        ({ child, ended }) =>
          Effect.promise(() => {
            child.kill("SIGTERM")
            return ended
          })
      )
      const told: Array<string> = []
      const all = yield* Effect.promise(async () => {
        const url = await eventually("the node to be up", () => {
          if (node.child.exitCode !== null) throw new Error(node.said())
          return /Serving at (http:\S+) until/.exec(node.said())?.[1]
        })
        const ask = async (way: string, init: RequestInit = {}) => {
          const response = await fetch(`${url}${way}`, {
            ...init,
            headers: {
              "x-secret": canary("header"),
              ...(init.headers as Record<string, string>)
            }
          })
          const text = await response.text()
          told.push(`${way.replace(/\?.*/, "")} ${response.status} ${text}`)
          return JSON.parse(text.startsWith("{") ? text : "{}")
        }
        const post = (way: string, body: unknown, type = "application/json") =>
          ask(way, {
            method: "POST",
            headers: { "content-type": type },
            body: typeof body === "string" ? body : JSON.stringify(body)
          })
        const input = { secret: canary("input") }

        // What does not fit, or may not be.
        await ask("/v1/tasks", { headers: { authorization: `Bearer ${canary("token")}` } })
        await post("/v1/tasks", `{"name": "leak.throws", "input": "${canary("broken")}`)
        await post("/v1/tasks", canary("text"), "text/plain")
        await post("/v1/tasks", { name: "leak.throws", input: { secret: `no ${canary("unfit")}` } })
        await post("/v1/tasks", {
          name: "leak.throws",
          input: { secret: { [canary("deep")]: canary("deeper") } }
        })
        await post("/v1/tasks", { name: "leak.throws", input, callback: `ftp://${canary("url")}` })
        await post("/v1/tasks/batch", { tasks: [{ name: "leak.throws", input: [canary("batch")] }] })
        await post("/v1/agents/leak.agent/a/tell", { message: "fail", input: canary("message") })
        await post("/v1/schedules", { name: "leak.throws", input: canary("schedule"), cron: "x" })
        await ask(`/v1/tasks?cursor=${canary("cursor")}&token=${canary("query")}`)
        await ask(`/nowhere?token=${canary("query")}`)

        // What fails.
        const callback = {
          url: `http://127.0.0.1:${hook}/${canary("path")}?token=${canary("callback")}`,
          headers: { authorization: canary("sent") }
        }
        const ids: Array<string> = []
        for (const name of names)
          ids.push((await post("/v1/tasks", { name: `leak.${name}`, input, callback })).id)
        const message = await post("/v1/agents/leak.agent/a/tell", { message: "fail", input })
        for (const id of [...ids, message.id]) {
          expect(id).toBeString()
          await eventually(`${id} to end`, async () => {
            const answer = await fetch(`${url}/v1/tasks/${id}/result?waitMs=10000`)
            return answer.status === 202 ? undefined : true
          })
        }
        await eventually("the callbacks to fail", async () => {
          const { tasks } = (await (await fetch(`${url}/v1/tasks?queue=webhooks`)).json()) as {
            tasks: ReadonlyArray<{ state: string; error?: unknown }>
          }
          if (!tasks.some(({ error }) => error !== undefined)) return undefined
          told.push(JSON.stringify(tasks))
          return true
        })
        const doctor = await aProgram(["doctor"], env, folder).ended
        const wrong = await aProgram(
          ["doctor"],
          { ...env, TROUPE_ENCRYPTION_KEYS: `a:${key.slice(0, 20)}` },
          folder
        ).ended
        const noRedis = await aProgram(
          ["tasks"],
          { ...env, REDIS_URL: `redis://:${canary("wrong")}@127.0.0.1:${port}` },
          folder
        ).ended
        return [doctor, wrong, noRedis]
      })
      yield* redis.kill
      yield* Effect.promise(() =>
        eventually("the loss to be told", () => (/Redis is gone/.test(node.said()) ? true : undefined))
      )
      yield* redis.start
      node.child.kill("SIGTERM")
      const printed = yield* Effect.promise(() => node.ended)
      for (const text of [printed, ...all, ...told]) {
        const leaked = text.split("\n").filter((line) => line.search(canaries) >= 0)
        expect(leaked).toEqual([])
      }
      expect(printed).toContain("shutdown")
      expect(told.length).toBeGreaterThan(names.length)
    }),
  120_000
)
