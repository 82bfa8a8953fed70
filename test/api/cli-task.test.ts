/**
 * The commands for one task, as people and scripts use them: submitted, looked at, waited for, followed. The worker that runs
 * what they submit is in this process.
 */
import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { executable, folder } from "../support/program.ts"
import { redisUrl } from "../support/redis.ts"
import { openShop } from "../support/shop.ts"
import * as shop from "./handlers/shop.ts"

const { program, system } = await openShop()
afterAll(() => system.close())
const { installed, sh, troupe } = program

/** Each waits for its turn to start, so its time is as long as that of all. */
const does = (sentence: string, body: () => Promise<void>) => test.concurrent(sentence, body, 120_000)

const idPattern = /^[a-z]+\.0\.[0-9A-Z]{26}$/

/** The id of a task that has ended. */
const ended = async (name: string, input: unknown): Promise<string> => {
  const task = await system.submit(name, input)
  await task.result().catch(() => {})
  return task.id
}

const absent = "default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE"

describe("the program troupe", () => {
  describe("troupe submit", () => {
    does("prints the id of a task that it stored, with what was said of it", async () => {
      const flags = [
        "--priority",
        "15",
        "--queue",
        "later",
        "--delay",
        "10m",
        "--attempts",
        "7",
        "--tag",
        "a",
        "--tag",
        "b"
      ]

      const { code, stderr, stdout } = await installed([
        "submit",
        "shop.add",
        "--input",
        `{"a":1,"b":2}`,
        ...flags
      ])

      expect(code).toBe(0)
      expect(stderr).toContain("shop.add: no live worker serves queue later")
      expect(stdout.trimEnd()).toMatch(idPattern)
      expect(await system.task(stdout.trimEnd())).toMatchObject({
        state: "scheduled",
        priority: "urgent",
        queue: "later",
        maxAttempts: 7,
        tags: ["a", "b"]
      })
    })

    does("says everything of a task that can be said", async () => {
      const { code, stderr, stdout } = await troupe([
        ...["submit", "shop.add", "--input", `{"a":1,"b":2}`, "--key", "ann"],
        ...["--delay", "10m", "--expires", "20m", "--deadline", "1h"]
      ])

      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      const task = await system.task(stdout.trimEnd())
      expect(task).toMatchObject({ key: "ann", state: "scheduled" })
      // They count on Redis's clock, and its submit on that of the program.
      const apart = [task.expiresAt! - 1_200_000, task.deadlineAt! - 3_600_000].map((at) =>
        Math.abs(at - task.submittedAt)
      )
      expect(Math.max(...apart)).toBeLessThan(1_000)
    })

    does("finds the task that was submitted before, and says so", async () => {
      const input = `{"a":1,"b":2}`
      for (const flags of [
        ["--idempotency-key", "k"],
        ["--unique", "ended", "--unique-key", "k"],
        ["--throttle", "user=7=1h"],
        ["--cache-for", "1h"]
      ]) {
        const command = ["submit", "shop.add", "--input", input, "--delay", "10m", "--json", ...flags]
        const [first, second] = [await troupe(command), await troupe(command)]

        const { id } = JSON.parse(first.stdout)
        expect(JSON.parse(second.stdout)).toEqual({ id, state: "scheduled", existing: true })
        await system.cancel(id)
      }
    })

    does("refuses an idempotency key that came with another input", async () => {
      const submit = (input: string) =>
        troupe(["submit", "shop.add", "--input", input, "--idempotency-key", "other"])
      const { stdout } = await submit(`{"a":1,"b":2}`)

      const { code, stderr } = await submit(`{"a":2,"b":2}`)

      expect(code).toBe(4)
      expect(stderr).toContain(stdout.trimEnd())
    })

    does("tells what is refused by the flags that said it", async () => {
      const refusals: ReadonlyArray<readonly [flags: string, complaint: string]> = [
        ["--expires 1s --delay 10s", "--expires: is over before the task is due"],
        ["--delay 10s --run-at 2040-01-01T00:00:00Z", "--run-at: give either --delay or --run-at"],
        ["--attempts 0", "--attempts: Expected a value between 1 and 1000"],
        ["--cache-for 0s", "--cache-for: Expected a value between 1 and 315360000000 milliseconds"],
        ["--queue A", "--queue: "]
      ]

      for (const [flags, complaint] of refusals) {
        const run = await troupe(["submit", "shop.add", "--input", `{"a":1,"b":2}`, ...flags.split(" ")])
        expect(run).toMatchObject({
          code: 4,
          stderr: expect.stringContaining(`troupe: the task is refused:\n  ${complaint}`)
        })
      }
      const { stderr } = await troupe(["schedules", "create", "shop.add", "--input", `{"a":1,"b":2}`])
      expect(stderr).toBe(
        "troupe: the schedule is refused:\n  --cron: say when it is due: give one of --cron, --every and --at\n"
      )
    })

    does("refuses flags that cannot be", async () => {
      for (const flags of [
        ["--unique-key", "k"],
        ["--debounce", "10s"],
        ["--throttle", "k=soon"],
        ["--unique", "later"],
        ["--wait-ms=-5"]
      ]) {
        expect((await troupe(["submit", "shop.add", ...flags])).code).toBe(2)
      }
    })

    does("reads the input from stdin, waits, and prints the result", async () => {
      const { code, stderr, stdout } = await troupe(["submit", "shop.add", "-", "--wait"], {
        stdin: `{"a": 1, "b": 2}`
      })

      expect({ code, stdout }).toEqual({ code: 0, stdout: `{\n  "sum": 3\n}\n` })
      expect(stderr.trimEnd()).toMatch(idPattern)
    })

    does("exits with 1 when the task it waits for fails", async () => {
      const { code, stderr, stdout } = await troupe(["submit", "shop.refuse", "--wait"])

      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      const [id, complaint] = stderr.trimEnd().split("\n")
      expect(complaint).toBe(`troupe: task ${id} failed: ShopClosed: it is closed`)
    })

    does("tells programs what a task that failed has failed with, and exits with 1", async () => {
      const waited = await troupe(["submit", "shop.refuse", "--wait", "--json"])
      const [id] = waited.stderr.split("\n")
      const answer = {
        id,
        state: "failed",
        error: expect.objectContaining({ type: "ShopClosed", message: "it is closed" })
      }

      const later = await troupe(["result", id!, "--json"])

      for (const { code, stderr, stdout } of [waited, later]) {
        expect(code).toBe(1)
        expect(JSON.parse(stdout)).toEqual(answer)
        expect(stderr).toEndWith(`troupe: task ${id} failed: ShopClosed: it is closed\n`)
      }
      expect((await troupe(["result", id!])).stdout).toBe("")
    })

    does("refuses an input that does not fit, fault by fault", async () => {
      const { code, stderr } = await troupe(["submit", "shop.add", "--input", `{"a":"one"}`])
      expect({ code, lines: stderr.trimEnd().split("\n") }).toEqual({
        code: 4,
        lines: [
          "troupe: the task is refused:",
          expect.stringMatching(/^ {2}\/input\/a: .*number/),
          expect.stringMatching(/^ {2}\/input\/b: .*number/)
        ]
      })
    })

    does("refuses an input that is no JSON, without asking for Redis", async () => {
      expect(await troupe(["submit", "shop.add", "--input", "{", "--redis", "redis://127.0.0.1:1"])).toEqual({
        code: 4,
        stdout: "",
        stderr: "troupe: the task is refused:\n  /input: not JSON: JSON Parse error: Expected '}'\n"
      })
    })

    does("warns of a task that no worker can run, or refuses it with 5 where it is set to", async () => {
      const submit = ["submit", "shop.add", "--input", `{"a":1,"b":2}`, "--queue", "unserved", "--json"]
      const [warned, refused] = await Promise.all([
        troupe(submit),
        troupe(submit, { env: { TROUPE_UNSERVED: "refuse" } })
      ])

      expect(JSON.parse(warned.stdout)).toMatchObject({
        state: "queued",
        warning: "no live worker serves queue unserved: the task waits until one does"
      })
      expect(warned.code).toBe(0)
      expect(warned.stderr).toContain("no live worker serves queue unserved")
      expect(refused).toEqual({
        code: 5,
        stdout: "",
        stderr: "troupe: no live worker can run shop.add of queue unserved\n"
      })
    })

    does("says which handler may have been meant", async () => {
      expect(await troupe(["submit", "shop.ad"])).toEqual({
        code: 3,
        stdout: "",
        stderr: "troupe: no handler is called shop.ad; did you mean shop.add?\n"
      })
    })

    does("says where handlers are looked for, when it was told nowhere to look", async () => {
      const hint =
        "  handlers of your own are looked for in the folder TROUPE_HANDLERS, which is not set here\n"
      const unknown = { code: 3, stdout: "" }

      expect(await troupe(["submit", "orders.refund"])).toEqual({
        ...unknown,
        stderr: `troupe: no handler is called orders.refund\n${hint}`
      })
      expect(await troupe(["agents", "show", "orders.basket", "a"])).toEqual({
        ...unknown,
        stderr: `troupe: no agent is called orders.basket\n${hint}`
      })
      expect(await installed(["submit", "orders.refund"])).toEqual({
        ...unknown,
        stderr: "troupe: no handler is called orders.refund\n"
      })
    })

    does("finds the private Redis of its folder", async () => {
      mkdirSync(path.join(folder, ".troupe"), { recursive: true })
      symlinkSync(redisUrl.replace("unix:", ""), path.join(folder, ".troupe/redis.sock"))

      const file = path.join(folder, "input.json")
      await Bun.write(file, `{"a": 2, "b": 2}`)

      const { code, stdout } = await troupe(
        ["submit", "shop.add", "--input-file", file, "--wait-ms", "60000", "--json"],
        {
          env: { REDIS_URL: undefined }
        }
      )

      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toEqual({
        id: expect.stringMatching(idPattern),
        state: "succeeded",
        output: { sum: 4 }
      })
    })
  })

  describe("troupe status", () => {
    does("prints a record to read", async () => {
      const id = await ended("shop.refuse", {})

      const { code, stderr, stdout } = await troupe(["status", id])

      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
      expect(stdout).toMatch(
        new RegExp(
          [
            `^id         ${id}`,
            "name       shop.refuse",
            "state      failed, attempt 1 of 3",
            "queue      default, priority normal",
            `submitted  ${time}`,
            `started    ${time}`,
            String.raw`finished   ${time} \(\d+ms\)`,
            String.raw`worker     \S+`,
            "error      ShopClosed: it is closed",
            "attempts",
            String.raw`  1  ${time} \(\d+ms\)  \S+  ShopClosed: it is closed\n$`
          ].join("\n")
        )
      )
    })

    does("prints a record for programs", async () => {
      const id = await ended("shop.add", { a: 1, b: 2 })

      const { code, stdout } = await troupe(["status", id, "--json"])

      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({
        id,
        state: "succeeded",
        attempt: 1,
        finishedAt: expect.stringMatching(/Z$/),
        attempts: [{ attempt: 1 }]
      })
    })

    does("does not find what is not there", async () => {
      expect(await troupe(["status", absent])).toEqual({
        code: 3,
        stdout: "",
        stderr: `troupe: there is no task ${absent}; it may be past its retention\n`
      })
    })

    does("reschedule gives delayed tasks another time, or lets them run now", async () => {
      const { id } = await system.submit(shop.add, { a: 1, b: 2 }, { delay: "1 hour" })
      const runAt = "2035-01-31T09:00:00Z"

      const moved = await troupe(["reschedule", id, "--run-at", runAt])
      expect(moved).toEqual({ code: 0, stdout: `${id}\n`, stderr: "" })
      expect(await system.task(id)).toMatchObject({ state: "scheduled", dueAt: Date.parse(runAt) })
      const now = await troupe(["reschedule", id, "--now", "--json"])
      expect(JSON.parse(now.stdout)).toEqual({ id, state: "queued", dueAt: expect.stringMatching(/Z$/) })
      expect(await system.result(id)).toEqual({ sum: 3 })

      expect(await troupe(["reschedule", id, "--now"])).toEqual({
        code: 4,
        stdout: "",
        stderr: `troupe: ${id} is succeeded; only a task that is scheduled or retrying can be given another time\n`
      })
      for (const flags of [[], ["--now", "--delay", "10s"]]) {
        expect(await troupe(["reschedule", id, ...flags])).toEqual({
          code: 2,
          stdout: "",
          stderr: "troupe: say when: one of --delay, --run-at and --now\nsee troupe reschedule --help\n"
        })
      }
      const expiring = await system.submit(shop.add, { a: 1, b: 2 }, { delay: "1 hour", expires: "2 hours" })
      const over = await troupe(["reschedule", expiring.id, "--delay", "3h"])
      expect(over).toMatchObject({ code: 4, stdout: "" })
      expect(over.stderr).toContain("  --delay: is not before its expiry, ")
      await system.cancel(expiring.id)
    })

    does(
      "and others find nothing by what cannot be an id, and do nothing to what comes before it",
      async () => {
        const { id } = await system.submit(shop.add, { a: 1, b: 2 }, { delay: "1 hour" })

        const runs = await Promise.all([
          ...["status", "result", "tail"].map((command) => troupe([command, "nope"])),
          ...["cancel", "reschedule --now", "retry", "dead retry"].map((command) =>
            troupe([...command.split(" "), id, "nope"])
          )
        ])

        expect(runs).toEqual(
          runs.map(() => ({
            code: 3,
            stdout: "",
            stderr: `troupe: "nope" is no task id, which looks like ${absent}\n`
          }))
        )
        expect(await system.task(id)).toMatchObject({ state: "scheduled" })
        await system.cancel(id)
      }
    )
  })

  describe("troupe result", () => {
    does("prints a text as it is", async () => {
      const id = await ended("shop.speak", { chunks: [] })

      expect(await troupe(["result", id])).toEqual({ code: 0, stdout: "spoken\n\n", stderr: "" })
    })

    does("waits no longer than it is told, which by default is not at all", async () => {
      const { id } = await system.submit(shop.add, { a: 1, b: 2 }, { delay: "1 hour" })

      const [now, later] = await Promise.all([
        troupe(["result", id]),
        troupe(["result", id, "--wait", "100ms"])
      ])

      expect([now, later]).toEqual([
        { code: 124, stdout: "", stderr: `troupe: ${id} is scheduled; --wait waits for its end\n` },
        { code: 124, stdout: "", stderr: `troupe: ${id} has not ended within 100 ms\n` }
      ])
    })
  })

  describe("troupe tail", () => {
    does("prints what a task puts out, and nothing else where there is no terminal", async () => {
      const id = await ended("shop.speak", { chunks: ["Hello, ", "world", { at: 1 }, "bye"] })

      expect(await troupe(["tail", id])).toEqual({
        code: 0,
        stdout: `Hello, world\n{"at":1}\nbye`,
        stderr: ""
      })
    })

    does("says that a task begins again, as one does that waited for its children", async () => {
      const id = await ended("shop.parent", {})

      expect(await troupe(["tail", id])).toEqual({
        code: 0,
        stdout: "what will be? what will be? 3\n",
        stderr: "attempt 2 begins, from the start\n"
      })
      expect((await troupe(["status", id])).stdout).toContain("succeeded, attempt 2 (1 of 3 that count)\n")
    })

    does("prints every event after a place for programs", async () => {
      const id = await ended("shop.speak", { chunks: ["a", "b"] })

      const { code, stdout } = await troupe(["tail", id, "--after", "1-3", "--json"])

      expect(code).toBe(0)
      expect(
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
      ).toEqual([
        { event: "chunk", task: id, id: "1-4", data: { attempt: 1, seq: 4, chunk: "b" } },
        { event: "progress", task: id, id: "1-5", data: { attempt: 1, seq: 5, fraction: 1 } },
        { event: "end", task: id, id: "1-end", data: { state: "succeeded" } }
      ])
    })

    does("exits with 1 when the task failed", async () => {
      const id = await ended("shop.refuse", {})

      expect(await troupe(["tail", id])).toEqual({
        code: 1,
        stdout: "one moment",
        stderr: `troupe: task ${id} failed: ShopClosed: it is closed\n`
      })
    })

    does("ends when nobody reads it any more", async () => {
      const task = await system.submit(shop.chatter, {}, { timeout: "10 seconds", retry: { attempts: 1 } })
      const script = `{ "${executable}" tail ${task.id}; echo "ended with $?" >&2; } | head -n 1`

      expect(await sh(script)).toEqual({
        code: 0,
        stdout: "more\n",
        stderr: "ended with 141\n"
      })
    })

    test.if(existsSync("/dev/full"))("says why its output cannot be written", async () => {
      const id = await ended("shop.refuse", {})

      expect(await sh(`"${executable}" status ${id} > /dev/full`)).toEqual({
        code: 141,
        stdout: "",
        stderr: expect.stringMatching(/^troupe: the output cannot be written: ENOSPC/)
      })
    })

    does("stops at a signal, and does not say that all is done", async () => {
      const task = await system.submit(shop.chatter, {}, { timeout: "10 seconds", retry: { attempts: 1 } })

      const { code, stderr } = await troupe(["tail", task.id], { signals: ["SIGINT"] })

      expect({ code, stderr }).toEqual({ code: 130, stderr: "" })
    })
  })
})
