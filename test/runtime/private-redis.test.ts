/** A private Redis that dies is started again, however soon it dies again. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs"
import * as path from "node:path"
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

describe("a private Redis whose folder has too long a path for a socket", () => {
  /** Not long in characters, too long in bytes. */
  const long = (folder: string) => path.join(folder, "ä".repeat(40), "ö".repeat(10))

  it.live("answers in a folder that nobody else may enter", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const sockets = path.join(folder, "sockets")

      const { url } = yield* startPrivate({ folder: long(folder), durable: false, sockets })

      const socket = socketIn(long(folder), sockets)
      expect(url).toBe(`unix:${socket}`)
      expect(path.dirname(socket)).toBe(sockets)
      expect(statSync(sockets).mode & 0o777).toBe(0o700)
      expect(yield* answers(socket)).toBe(true)
      chmodSync(sockets, 0o755)
      expect(yield* answers(socket)).toBe(false)
      chmodSync(sockets, 0o700)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  const folders: Record<string, (sockets: string) => void> = {
    "others may enter": (sockets) => mkdirSync(sockets, { mode: 0o755 }),
    "is a link to one of ours": (sockets) => {
      mkdirSync(`${sockets}-ours`, { mode: 0o700 })
      symlinkSync(`${sockets}-ours`, sockets)
    },
    // Only root can give a folder away.
    ...(process.getuid?.() === 0
      ? {
          "is somebody else's": (sockets: string) => {
            mkdirSync(sockets, { mode: 0o700 })
            chownSync(sockets, 65_534, 65_534)
          }
        }
      : {})
  }
  for (const [which, make] of Object.entries(folders)) {
    it.live(`is not started, and nobody is spoken to, where that folder ${which}`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const sockets = path.join(folder, "sockets")
        make(sockets)
        let asked = 0
        const socket = socketIn(long(folder), sockets)
        const stranger = Bun.listen({
          unix: socket,
          socket: {
            open: () => void asked++,
            data: (connection) => void connection.write("+PONG\r\n")
          }
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => stranger.stop(true)))

        const error = yield* Effect.flip(startPrivate({ folder: long(folder), durable: false, sockets }))

        expect(error.message).toContain(
          `${sockets} is not a folder of this user's that nobody else may enter`
        )
        expect(yield* answers(socket)).toBe(false)
        expect(asked).toBe(0)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  }
})
