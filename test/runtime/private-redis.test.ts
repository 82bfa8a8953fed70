/** A private Redis that dies is started again, however soon it dies again. */
import { NodeServices } from "@effect/platform-node"
import { expect } from "bun:test"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { answers, socketIn, startPrivate } from "../../runtime/redis/private.ts"
import { it } from "../support/effect.ts"
import { temporaryFolder } from "../support/folder.ts"
import { eventually } from "../support/node.ts"

/** The servers whose data lie in the folder: none, while one has died and the next has not been started. */
const serversIn = (folder: string): ReadonlyArray<number> =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder)
      } catch {
        return false
      }
    })
    .map(Number)

/** Another one than before. */
const nextServer = (folder: string, before: number | undefined) =>
  Effect.promise(() => eventually("another server", () => serversIn(folder).find((pid) => pid !== before)))

it.live("a private Redis that dies before it answers is started again at once", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* startPrivate({ folder, durable: false })
    let server = yield* nextServer(folder, undefined)

    for (let deaths = 0; deaths < 3; deaths++) {
      process.kill(server, "SIGKILL")
      server = yield* nextServer(folder, server)
    }

    const run = Effect.runPromiseWith(yield* Effect.context<never>())
    const up = yield* Effect.promise(() =>
      eventually("an answer", async () => ((await run(answers(socketIn(folder)))) ? true : undefined))
    )
    expect(up).toBe(true)
    expect(serversIn(folder)).toEqual([server])
  }).pipe(Effect.provide(NodeServices.layer))
)
