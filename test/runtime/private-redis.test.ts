/** A private Redis that dies is started again, however soon it dies again. */
import { NodeServices } from "@effect/platform-node"
import { expect } from "bun:test"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { readFileSync } from "node:fs"
import { answers, findServer, socketIn, startPrivate } from "../../runtime/redis/private.ts"
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

it.live("a private Redis that was left behind is taken over, and not doubled, while it cannot work", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const socket = socketIn(folder)
    const left = Bun.spawn(
      [
        ...[findServer()!, "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""],
        // Whatever it is asked while a script runs it refuses, as one does whose disk is full.
        ...["--busy-reply-threshold", "1"]
      ],
      { stdout: "ignore" }
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => left.kill("SIGKILL")))
    const run = Effect.runPromiseWith(yield* Effect.context<never>())
    yield* Effect.promise(() =>
      eventually("an answer", async () => ((await run(answers(socket))) ? true : undefined))
    )
    const client = new Redis({ path: socket })
    yield* Effect.addFinalizer(() => Effect.sync(() => client.disconnect()))
    const script = client.eval("while true do end", 0).catch(() => {})
    const other = new Redis({ path: socket, enableReadyCheck: false })
    yield* Effect.addFinalizer(() => Effect.sync(() => other.disconnect()))
    yield* Effect.promise(() =>
      eventually("it to be busy", () =>
        other.ping().then(
          () => undefined,
          ({ message }: Error) => (message.startsWith("BUSY") ? true : undefined)
        )
      )
    )

    yield* startPrivate({ folder })
    // Whoever watches one that was taken over looks every second.
    yield* Effect.sleep("1500 millis")

    expect(serversIn(folder)).toEqual([left.pid])
    yield* Effect.promise(() => other.script("KILL"))
    yield* Effect.promise(() => script)
    expect(yield* Effect.promise(() => client.ping())).toBe("PONG")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
