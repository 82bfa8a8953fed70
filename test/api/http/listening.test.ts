/** What a tenant that listens to its tasks learns of others: nothing, not even what their queues are called. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { sealCursor } from "../../../api/http/cursors.ts"
import { Access } from "../../../runtime/access.ts"
import { openAccess } from "../../support/access.ts"
import { framesOf } from "../../support/api.ts"
import { count } from "../../support/carts.ts"

let system: Awaited<ReturnType<typeof openAccess>>
const keys = new Map<string, string>()

beforeAll(async () => {
  system = await openAccess("memory", [count])
  for (const tenant of ["acme", "beta", "default"]) keys.set(tenant, (await system.aKey(tenant, "admin")).key)
})

afterAll(() => system.close())

const submit = async (tenant: string, queue?: string): Promise<string> => {
  const body = { name: "shop.count", ...(queue === undefined ? {} : { queue }) }
  return (await system.ask("POST", "/v1/tasks", { key: keys.get(tenant), body })).body.id
}

const listen = async (tenant: string, after?: string) => {
  const response = await system.app.request("/v1/events?type=task.submitted", {
    headers: {
      authorization: `Bearer ${keys.get(tenant)}`,
      ...(after === undefined ? {} : { "last-event-id": after })
    }
  })
  const { cancel, take } = framesOf(response)
  return {
    status: response.status,
    take: (frames: number) => Effect.runPromise(take(frames)),
    stop: () => Effect.runPromise(cancel)
  }
}

describe("the id of an event", () => {
  test("tells another tenant than default no queue, and takes it to where it stood", async () => {
    await submit("acme", "merger-with-zeta")
    const first = await listen("beta")
    await first.take(1)
    const seen = await submit("beta")
    const [event] = await first.take(1)
    expect(event).toMatchObject({ data: { task: seen } })
    await first.stop()
    const missed = await submit("beta")

    const again = await listen("beta", event!.id)

    expect(await again.take(2)).toMatchObject([{ event: "listening" }, { data: { task: missed } }])
    await again.stop()
    expect(event!.id).not.toContain("default")
    expect(event!.id).not.toContain("@")
  })

  test("is good for its tenant alone, and is none where somebody has made it up", async () => {
    const stream = await listen("beta")
    const [{ id } = { id: "" }] = await stream.take(1)
    await stream.stop()

    expect((await listen("acme", id)).status).toBe(400)
    expect((await listen("beta", "default.0@1.1")).status).toBe(400)
  })

  test("leads to gaps that name a queue only to who may know it", async () => {
    await submit("acme", "merger-with-zeta")
    await submit("acme", "other-secret")
    const { salt } = await system.runtime.runPromise(Access.use((access) => access.find("none")))
    const old = "merger-with-zeta.0@1.1,other-secret.0@1.1,default.0@1.1"

    /** The queues of gaps, up to so many of them. */
    const gapsOf = async (tenant: string, after: string, count: number) => {
      const stream = await listen(tenant, after)
      const queues: Array<string> = []
      while (queues.length < count) {
        const [frame] = await stream.take(1)
        if (frame!.event === "gap") queues.push((frame!.data as { readonly queue: string }).queue)
      }
      await stream.stop()
      return queues.toSorted((one, other) => (one < other ? -1 : 1))
    }

    expect(await gapsOf("beta", sealCursor(old, "beta events", salt), 2)).toEqual(["*", "default"])
    expect(await gapsOf("default", old, 3)).toEqual(["default", "merger-with-zeta", "other-secret"])
  })
})
