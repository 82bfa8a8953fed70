/** Agents on the command line; the worker is in the test. */
import { describe, expect, test } from "bun:test"
import { connect } from "../../api/client/index.ts"
import { programIn } from "../support/program.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { eventually } from "../support/waiting.ts"
import { cart } from "./handlers/shop.ts"

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
  const { troupe } = programIn(namespace)
  const library = await connect({
    redisUrl,
    namespace,
    handlers: [cart],
    work: true,
    settings: { log: "Warn" }
  })
  // Until then whoever submits is told that nobody works.
  await eventually("its worker to be known", async () => (await library.workers.list())[0])
  const quarantined = async (...keys: ReadonlyArray<string>) => {
    for (const key of keys) {
      await library.agent(cart, key).ask("add", { item: "tea" })
      await library
        .agent(cart, key)
        .ask("close", {})
        .catch(() => {})
    }
  }
  return { library, troupe, quarantined, [Symbol.asyncDispose]: () => library.close() }
}

const fieldsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"))

const tea = ["--input", '{"item": "tea"}']

describe("troupe agents", () => {
  does("tells and asks an agent", async ({ library, troupe }) => {
    const told = await troupe(["agents", "tell", "shop.cart", "user-7", "add", ...tea, "--dedupe", "1"])
    const again = await troupe([
      "agents",
      "tell",
      "shop.cart",
      "user-7",
      "add",
      ...tea,
      "--dedupe",
      "1",
      "--json"
    ])
    const asked = await troupe(["agents", "ask", "shop.cart", "user-7", "add", ...tea, "--json"])

    expect(told).toMatchObject({ code: 0, stderr: "" })
    const id = told.stdout.trimEnd()
    expect(JSON.parse(again.stdout)).toEqual({ id, existing: true })
    expect(asked).toEqual({ code: 0, stdout: '{"size":2}\n', stderr: "" })
    expect(await library.result(id)).toEqual({ size: 1 })
  })

  does("says why an agent does not answer", async ({ troupe }) => {
    const refused = await troupe(["agents", "ask", "shop.cart", "user-7", "add", "--input", "{}"])
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain("/input/item: ")
    expect(await troupe(["agents", "ask", "shop.card", "user-7", "add"])).toEqual({
      code: 3,
      stdout: "",
      stderr: "troupe: no agent is called shop.card; did you mean shop.cart?\n"
    })
    expect(await troupe(["agents", "ask", "shop.cart", "user-7", "close"])).toMatchObject({ code: 1 })
    expect((await troupe(["agents", "tell", "shop.cart", "user-7", "close"])).code).toBe(4)
    expect((await troupe(["agents", "show", "shop.cart", "nobody"])).code).toBe(3)
    expect((await troupe(["agents", "show", "shop.cart"])).code).toBe(2)
  })

  does("lists agents, shows one, and lets it go on", async ({ library, quarantined, troupe }) => {
    await quarantined("user-7")
    await library.agent(cart, "user-8").ask("add", { item: "tea" })

    const all = await troupe(["agents"])
    const some = await troupe(["agents", "ls", "--status", "quarantined", "--json"])
    const shown = await troupe(["agents", "show", "shop.cart", "user-7"])
    const resumed = await troupe(["agents", "resume", "shop.cart", "user-7"])

    const time = expect.stringMatching(/Z$/) as string
    expect(fieldsOf(all.stdout)).toEqual([
      ["shop.cart", "user-7", "quarantined", "0", "0", "1", time],
      ["shop.cart", "user-8", "idle", "0", "0", "0", time]
    ])
    expect(JSON.parse(some.stdout)).toMatchObject({ key: "user-7", deadLetter: expect.any(String) })
    expect(shown.stdout).toContain('state      ["tea"]')
    expect(shown.stdout).toMatch(/status {5}quarantined since \S+Z\nbecause {4}default\.0\./)
    expect(fieldsOf(resumed.stdout)).toEqual([["shop.cart", "user-7", "idle", "0", "0", "0", time]])
    expect(await library.agent(cart, "user-7").ask("add", { item: "milk" })).toEqual({ size: 2 })
  })

  does("resets and stops agents only when it is told twice", async ({ library, quarantined, troupe }) => {
    await quarantined("a", "b")

    const asked = await troupe(["agents", "reset", "shop.cart", "a", "b"])
    expect(asked).toMatchObject({ code: 2, stdout: "" })
    expect(asked.stderr).toContain("this forgets the states and the timers of 2 agents")
    expect((await library.agent(cart, "a").read()).status).toBe("quarantined")
    expect(await troupe(["agents", "reset", "shop.cart", "a", "b", "--yes"])).toEqual({
      code: 0,
      stdout: "2\n",
      stderr: ""
    })
    expect(await library.agent(cart, "a").ask("add", { item: "milk" })).toEqual({ size: 1 })

    await quarantined("c")
    const stop = await troupe(["agents", "stop", "shop.cart", "c"])
    expect(stop.stderr).toContain("this cancels 0 messages of 1 agent, and forgets states and timers")
    expect((await troupe(["agents", "stop", "shop.cart", "c", "--yes", "--json"])).stdout).toBe(
      '{"count":0}\n'
    )
    expect((await troupe(["agents", "show", "shop.cart", "c"])).code).toBe(3)
  })
})
