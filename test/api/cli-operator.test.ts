/** The command line in an operator's hands. Nobody runs the tasks but the test. */
import { describe, expect, test } from "bun:test"
import { connect } from "../../api/client/index.ts"
import { defineTask, Fatal } from "../../runtime/handler.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { programIn } from "../support/program.ts"

const absent = "default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE"

const refuse = defineTask({
  name: "shop.refuse",
  run: () => {
    throw new Fatal("it is closed at 7", { type: "ShopClosed" })
  }
})

/** Each has a system of its own. */
const does = (sentence: string, body: (system: Awaited<ReturnType<typeof aSystem>>) => Promise<void>) =>
  test.concurrent(
    sentence,
    async () => {
      await using system = await aSystem()
      await body(system)
    },
    120_000
  )

const aSystem = async () => {
  const namespace = aNamespace()
  const { troupe, installed } = programIn(namespace)
  const library = await connect({ redisUrl, namespace, handlers: [refuse], settings: { log: "Warn" } })
  /** The ids of so many tasks that have failed. */
  const failed = async (count: number): Promise<ReadonlyArray<string>> => {
    const tasks = await Promise.all(Array.from({ length: count }, () => library.submit(refuse, 1)))
    await using _ = await library.work()
    await Promise.all(tasks.map((task) => task.result().catch(() => {})))
    return tasks.map(({ id }) => id)
  }
  const submitted = async (count: number): Promise<ReadonlyArray<string>> => {
    const tasks = await Promise.all(Array.from({ length: count }, () => library.submit(refuse, 1)))
    return tasks.map(({ id }) => id)
  }
  return { library, troupe, installed, failed, submitted, [Symbol.asyncDispose]: () => library.close() }
}

const fieldsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"))
const jsonOf = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("troupe tasks", () => {
  does("lists tasks, a line each, and as JSON", async ({ failed, submitted, troupe }) => {
    const [dead] = await failed(1)
    const [waiting] = await submitted(1)

    const list = await troupe(["tasks", "--state", "failed"])
    const json = await troupe(["tasks", "--json"])

    expect({ code: list.code, stderr: list.stderr }).toEqual({ code: 0, stderr: "" })
    expect(fieldsOf(list.stdout)).toEqual([
      [dead!, "shop.refuse", "failed", "1/3", expect.any(String), "ShopClosed: it is closed at 7"]
    ])
    expect(jsonOf(json.stdout)).toMatchObject([
      { id: waiting, state: "queued" },
      { id: dead, state: "failed" }
    ])
  })

  does("goes on where it ended, and says so on stderr", async ({ submitted, troupe }) => {
    const ids = await submitted(3)

    const first = await troupe(["tasks", "--limit", "2", "--json"])
    const cursor = /--cursor (\S+)/.exec(first.stderr)![1]!
    const second = await troupe(["tasks", "--limit", "2", "--json", "--cursor", cursor])

    expect(second.stderr).toBe("")
    const found = [...jsonOf(first.stdout), ...jsonOf(second.stdout)].map(({ id }) => String(id))
    expect(found.toSorted()).toEqual(ids.toSorted())
  })

  does("says what it cannot read", async ({ troupe }) => {
    expect(await troupe(["tasks", "--queue", "NO"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "troupe: queue: a queue is named by 1 to 63 of a-z 0-9 _ -\n"
    })
    for (const time of ["soon", "1", "2027-02-30"])
      expect((await troupe(["tasks", "--from", time])).code).toBe(2)
    expect((await troupe(["tasks", "--cursor", "x"])).stderr).toContain("cursor: not the `next` of a page")
  })
})

describe("troupe cancel and troupe retry", () => {
  does("end tasks, and put failed ones back to work", async ({ failed, library, submitted, troupe }) => {
    const [dead] = await failed(1)
    const [waiting] = await submitted(1)

    expect(await troupe(["cancel", waiting!, "--reason", "sent twice"])).toEqual({
      code: 0,
      stdout: `${waiting}\n`,
      stderr: ""
    })
    expect((await troupe(["retry", dead!, "--input", "2", "--json"])).stdout).toBe(
      `{"id":"${dead}","state":"queued"}\n`
    )

    expect(await library.task(waiting!)).toMatchObject({
      state: "cancelled",
      error: { message: "sent twice" }
    })
    expect(await library.task(dead!)).toMatchObject({ state: "queued", attempts: [{ attempt: 1 }] })
  })

  does("say why they do not", async ({ submitted, troupe }) => {
    const [waiting] = await submitted(1)

    expect(await troupe(["retry", waiting!])).toEqual({
      code: 4,
      stdout: "",
      stderr: `troupe: ${waiting} is queued; only failed tasks can be retried\n`
    })
    expect((await troupe(["cancel", absent])).code).toBe(3)
    expect((await troupe(["retry", absent])).code).toBe(3)
    await troupe(["cancel", waiting!])
    expect(await troupe(["cancel", waiting!])).toMatchObject({ code: 4, stdout: "" })
    expect((await troupe(["cancel"])).code).toBe(2)
  })
})

describe("troupe dead", () => {
  does("lists what failed, and counts it by what it failed with", async ({ failed, troupe }) => {
    const ids = await failed(2)

    const list = await troupe(["dead"])
    const groups = await troupe(["dead", "groups", "--json"])

    expect(
      fieldsOf(list.stdout)
        .map(([id]) => id!)
        .toSorted()
    ).toEqual(ids.toSorted())
    expect(jsonOf(groups.stdout)).toEqual([{ error: "ShopClosed: it is closed at <n>", count: 2 }])
  })

  does("puts back what is meant, and wants to be told what that is", async ({ failed, library, troupe }) => {
    const [one] = await failed(3)

    expect(await troupe(["dead", "retry"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "troupe: say which: ids, a filter, or --all\nsee troupe dead retry --help\n"
    })
    expect((await troupe(["dead", "retry", one!])).stdout).toBe("1\n")
    expect((await troupe(["dead", "retry", "--error", "ShopClosed", "--dry-run"])).stdout).toBe("2\n")
    expect((await troupe(["dead", "retry", "--all", "--json"])).stdout).toBe(`{"count":2}\n`)
    expect((await library.dead.list()).dead).toEqual([])
  })

  does("does nothing where one that is named is not there, or has not failed", async (system) => {
    const { failed, library, submitted, troupe } = system
    const [one] = await failed(1)
    const [waiting] = await submitted(1)
    const missing = { code: 3, stdout: "", stderr: expect.stringContaining(`there is no task ${absent}`) }

    expect(await troupe(["dead", "retry", one!, absent])).toEqual(missing)
    expect(await troupe(["dead", "purge", one!, absent, "--yes"])).toEqual(missing)
    expect(await troupe(["dead", "retry", one!, waiting!])).toEqual({
      code: 4,
      stdout: "",
      stderr: `troupe: ${waiting} is queued; only failed tasks can be retried\n`
    })
    expect((await library.dead.list()).dead.map(({ id }) => String(id))).toEqual([one!])
  })

  does("drops nothing until it is told so", async ({ failed, library, troupe }) => {
    await failed(2)

    expect(await troupe(["dead", "purge", "--all"])).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "troupe: this drops 2 failed tasks, inputs and errors included; say it again with --yes\nsee troupe dead purge --help\n"
    })
    expect((await library.dead.list()).dead).toHaveLength(2)
    expect((await troupe(["dead", "purge", "--all", "--yes"])).stdout).toBe("2\n")
    expect((await library.dead.list()).dead).toEqual([])
  })
})

describe("troupe queues", () => {
  does(
    "lists queues, pauses them and sets their bounds",
    async ({ library, submitted, installed, troupe }) => {
      await submitted(1)

      expect(fieldsOf((await troupe(["queues"])).stdout)).toEqual([
        ["default", "open", "0", "0", "1", "0", "0", "0", "0", "0", expect.any(String)]
      ])
      expect((await troupe(["queues", "pause", "default"])).stdout).toContain("default\tpaused")
      expect((await library.queues.get("default")).paused).toBe(true)
      await troupe(["queues", "resume", "default"])
      expect((await library.queues.get("default")).paused).toBe(false)
      const limits = ["queues", "limits", "default", "--json"]
      expect(
        (await troupe([...limits, "--max-depth", "5", "--max-age", "1m", "--rate", "60/1m"])).stdout
      ).toBe(`{"maxDepth":5,"maxAgeMs":60000,"rate":{"count":60,"perMs":60000}}\n`)
      expect((await troupe([...limits, "--none"])).stdout).toBe("{}\n")
      expect((await installed(["queues", "--json"])).stdout).toContain(`"name":"default"`)
    }
  )

  does("empties and moves nothing until it is told so", async ({ library, submitted, troupe }) => {
    await submitted(2)

    expect(await troupe(["queues", "move", "default", "other"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("cancels 2 tasks of default and submits copies to other")
    })
    expect((await troupe(["queues", "move", "default", "other", "--yes"])).stdout).toBe("2\n")
    expect(await troupe(["queues", "purge", "other"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("cancels 2 tasks of other, waiting or delayed")
    })
    expect((await library.tasks({ state: "queued" })).tasks).toHaveLength(2)
    expect((await troupe(["queues", "purge", "other", "--yes"])).stdout).toBe("2\n")
    expect((await library.tasks({ state: "queued" })).tasks).toEqual([])
  })
})

describe("a queue that nobody serves or submits to, and that holds nothing", () => {
  const misspelt = "there is no queue defualt; did you mean default?"

  does("is not found, and nothing is done to it", async ({ submitted, troupe }) => {
    await submitted(1)

    for (const command of [
      ["queues", "defualt"],
      ["queues", "purge", "defualt", "--yes"],
      ["queues", "move", "defualt", "default", "--yes"]
    ]) {
      expect(await troupe(command)).toEqual({ code: 3, stdout: "", stderr: `troupe: ${misspelt}\n` })
    }
    expect(await troupe(["keys", "audit", "--json"])).toMatchObject({ stdout: "" })
  })

  does("may be set before it is first used, and is then known", async ({ submitted, troupe }) => {
    await submitted(1)

    const pause = await troupe(["queues", "pause", "defualt"])
    const resume = await troupe(["queues", "resume", "defualt"])
    const limits = await troupe(["queues", "limits", "defualt", "--max-depth", "5"])

    expect([pause, limits].map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: `${misspelt}\n` },
      { code: 0, stderr: `${misspelt}\n` }
    ])
    expect(resume).toMatchObject({ code: 0, stderr: "" })
    expect(await troupe(["queues", "defualt"])).toMatchObject({ code: 0, stderr: "" })
    expect(await troupe(["queues", "limits", "default", "--max-depth", "5"])).toMatchObject({ stderr: "" })
  })

  does("is told of where tasks are moved to it", async ({ submitted, troupe }) => {
    await submitted(1)

    expect(await troupe(["queues", "move", "default", "defualt", "--yes"])).toEqual({
      code: 0,
      stdout: "1\n",
      stderr: `${misspelt}\n`
    })
  })
})

describe("troupe workers", () => {
  does("lists workers, and knows who is none", async ({ library, troupe }) => {
    await using _ = await library.work()
    await library.ask(refuse, 1).catch(() => {})

    const { stdout } = await troupe(["workers", "--json"])

    const [worker] = jsonOf(stdout)
    expect(worker).toMatchObject({ state: "running", queues: ["default"] })
    expect((await troupe(["nodes", "--json"])).stdout).toBe("")
    expect(await troupe(["workers", "drain", "--node", "nobody"])).toMatchObject({
      stderr: expect.stringContaining("there is no node nobody"),
      code: 3
    })
    expect(await troupe(["workers", "drain", "nobody", "--node", "nobody"])).toMatchObject({
      stderr: expect.stringContaining("name a worker or a node, not both"),
      code: 2
    })
    expect(await troupe(["workers", "drain"])).toMatchObject({ code: 2 })
    expect(await troupe(["workers", "drain", "nobody"])).toEqual({
      code: 3,
      stdout: "",
      stderr: "troupe: there is no worker nobody\n"
    })
    expect((await troupe(["workers", "drain", String(worker!["id"])])).stdout).toBe(
      `${String(worker!["id"])}\n`
    )
  })
})
