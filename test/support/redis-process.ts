/**
 * A Redis server on a port of this machine, as a process of a test's own: it may be killed, stopped in its tracks, and started
 * again with its data. It ends with the test, and with the test's process where that is killed.
 */
import { Effect } from "effect"
import { Redis } from "ioredis"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { findServer } from "../../runtime/redis/private.ts"
import { hear } from "./hearing.ts"
import { eventually } from "./waiting.ts"

/** The ports to choose from: none that the system gives to those who call, and room for a cluster's second one above. */
const ports = { from: 11_000, to: 21_000, bus: 10_000 } as const

const listens = (port: number): boolean => {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true)
    return false
  } catch {
    return true
  }
}

/** A port for a server that may come back to it: nobody listens there, or 10 000 above, where the nodes of a cluster meet. */
const aServerPort = (): number => {
  for (;;) {
    const port = ports.from + Math.floor(Math.random() * (ports.to - ports.from))
    if (!listens(port) && !listens(port + ports.bus)) return port
  }
}

/** Waits until its input ends, which it does with whoever started it, and then ends what it was told of last. */
const keeper = `trap '' INT TERM HUP
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -9 $pids
rm -rf "$0"`

/** A folder for some servers. It and all of them are gone with the scope, or with the test's process. */
export const aPlace = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(`${tmpdir()}/troupe-servers-`)
    const kept = Bun.spawn(["sh", "-c", keeper, folder], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore"
    })
    const pids = new Set<number>()
    const tell = () => {
      void kept.stdin.write(`${[...pids].join(" ")}\n`)
      void kept.stdin.flush()
    }
    return {
      folder,
      keep: (pid: number) => {
        pids.add(pid)
        tell()
      },
      forget: (pid: number) => {
        pids.delete(pid)
        tell()
      },
      end: async () => {
        await kept.stdin.end()
        await kept.exited
      }
    }
  }),
  ({ end, folder }) =>
    Effect.promise(async () => {
      await end()
      rmSync(folder, { recursive: true, force: true })
    })
)

type Place = Effect.Success<typeof aPlace>

export interface ServerOptions {
  /** Lines of its configuration, for the port that it has. */
  readonly lines: (port: number) => ReadonlyArray<string>
  /** It watches over others. */
  readonly sentinel?: boolean
  readonly password?: string | undefined
}

/** What a server says when it serves, and when another one has taken its port. */
const serves = /ready to accept connections|Sentinel ID is/i
const isTaken = /address already in use|failed listening on port/i

/** Starts a server in `place`. */
export const aRedisProcess = Effect.fnUntraced(function* (place: Place, options: ServerOptions) {
  let child: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined
  let printed = () => ""

  /** Succeeds with whether it serves; fails when it has ended for anything but its port. */
  const startOn = async (port: number): Promise<boolean> => {
    const folder = `${place.folder}/${port}`
    const configuration = `${folder}/redis.conf`
    if (mkdirSync(folder, { recursive: true }) !== undefined) {
      const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, ...options.lines(port)]
      writeFileSync(configuration, `${lines.join("\n")}\n`)
    }
    const started = Bun.spawn(
      [findServer()!, configuration, ...(options.sentinel === true ? ["--sentinel"] : [])],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" }
    )
    child = started
    place.keep(started.pid)
    void started.exited.then(() => place.forget(started.pid))
    const { over, said } = hear(started.stdout)
    printed = said
    const up = await eventually("a server to serve", () =>
      serves.test(said()) ? true : started.exitCode === null ? undefined : false
    )
    if (up) return true
    await over
    if (isTaken.test(said())) return false
    throw new Error(`redis-server ended: ${said()}`)
  }

  const port = yield* Effect.promise(async () => {
    for (;;) {
      const port = aServerPort()
      if (await startOn(port)) return port
    }
  })
  let isFrozen = false
  const kill = Effect.promise(async () => {
    child?.kill("SIGKILL")
    isFrozen = false
    await child?.exited
  })
  yield* Effect.addFinalizer(() => kill)

  const connect = () =>
    new Redis({
      port,
      host: "127.0.0.1",
      connectionName: "test",
      // The sentinels among them know no INFO as it is looked for.
      enableReadyCheck: false,
      ...(options.password === undefined ? {} : { password: options.password })
      // Without a listener ioredis prints each time the server goes away.
    }).on("error", () => {})
  const client = yield* Effect.acquireRelease(Effect.sync(connect), (client) =>
    Effect.sync(() => client.disconnect())
  )

  return {
    port,
    host: `127.0.0.1:${port}`,
    /** A connection of the test's own. Commands wait in it while the server is away. */
    client,
    kill,
    /** On its port, with the data and the configuration it had. */
    start: Effect.promise(async () => {
      if (!(await startOn(port))) throw new Error(`port ${port} was taken meanwhile`)
    }),
    freeze: Effect.sync(() => {
      child?.kill("SIGSTOP")
      isFrozen = true
    }),
    thaw: Effect.sync(() => {
      child?.kill("SIGCONT")
      isFrozen = false
    }),
    /** Whether it lives, and is not frozen. */
    answers: () => child?.exitCode === null && child.signalCode === null && !isFrozen,
    /** What it has printed. */
    said: () => printed(),
    /** A field of its `INFO`, of a section. */
    told: async (field: string, section = "default"): Promise<string | undefined> =>
      new RegExp(`^${field}:(.*?)\\r?$`, "m").exec(await client.info(section))?.[1]
  }
})

export type RedisProcess = Effect.Success<ReturnType<typeof aRedisProcess>>
