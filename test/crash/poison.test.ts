/** A task that kills its workers: it becomes a dead letter, and takes no other with it. */
import { expect, test } from "bun:test"
import { startNode } from "../support/node.ts"
import { innocents } from "./handlers/poison.ts"

test("a task that kills its process three times is a dead letter, and those that ran beside it succeed", async () => {
  await using node = await startNode({ workers: 1 })
  const poison = await node.submit("crash.poison")
  const others = await Promise.all(
    Array.from({ length: innocents }, (_, n) => node.submit("crash.innocent", n + 1))
  )

  const ends = await Promise.all(others.map(node.result))
  expect(ends.map(({ body, status }) => ({ body, status }))).toEqual(
    others.map(() => ({ status: 200, body: { attempt: 3 } }))
  )
  await node.result(poison)
  expect(await node.task(poison)).toMatchObject({ state: "failed", error: { type: "WorkerLost" } })
  const dead = (await (await fetch(`${node.url}/v1/dead`)).json()) as { dead: Array<{ id: string }> }
  expect(dead.dead.map(({ id }) => id)).toEqual([poison])
  // Twice they died together; then each ran without the others.
  const deaths = node.lines().filter(({ what }) => what === "poison")
  expect(deaths.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
}, 60_000)
