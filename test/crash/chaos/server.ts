/**
 * The Redis of a campaign: private, on a port and on a socket, with an append-only file that is synced before anything
 * is acknowledged; and everything that may happen to it. It keeps its data over all of that.
 *
 * A full disk, a wrong clock and a power loss take a small library that is compiled on the spot (`shim.c`); where there
 * is no C compiler `hasShim` says so, and they cannot happen.
 */
import { Redis } from "ioredis"
import {
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { findServer } from "../../../runtime/redis/private.ts"
import { eventually } from "../../support/waiting.ts"
import { aFreePort } from "../../support/address.ts"

/** Where the library keeps what: two words of ours, then pairs of an inode and the size that is safe. */
const wordBytes = 8
const filesMax = 64
const stateBytes = (2 + 2 * filesMax) * wordBytes

/** How long one who talks for too long is let talk before the others hear `BUSY`, in milliseconds. */
const busyAfterMs = 200

/** Sizes of the append-only file beyond which it is written anew. */
const rewriteMinSize = "512mb"

const compile = async (folder: string): Promise<string | undefined> => {
  const compiler = Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang")
  if (compiler === null || process.platform !== "linux") return undefined
  const library = `${folder}/shim.so`
  const child = Bun.spawn(
    [compiler, "-shared", "-fPIC", "-O2", "-o", library, `${import.meta.dir}/shim.c`, "-ldl"],
    { stdout: "ignore", stderr: "ignore" }
  )
  return (await child.exited) === 0 ? library : undefined
}

export type Fsync = "always" | "everysec"

export const startServer = async (folder: string, fsync: Fsync = "always") => {
  const data = `${folder}/redis`
  mkdirSync(data, { recursive: true })
  const socket = `${data}/redis.sock`
  const port = aFreePort()
  const library = await compile(folder)
  const stateFile = `${folder}/shim-state`
  writeFileSync(stateFile, new Uint8Array(stateBytes))
  const state = openSync(stateFile, "r+")

  const set = (word: number, value: number) => {
    const bytes = Buffer.alloc(wordBytes)
    bytes.writeBigInt64LE(BigInt(value))
    writeSync(state, bytes, 0, wordBytes, word * wordBytes)
  }
  const safeSizes = () => {
    const bytes = Buffer.alloc(stateBytes)
    readSync(state, bytes, 0, stateBytes, 0)
    const words = Array.from({ length: 2 * filesMax }, (_, at) =>
      Number(bytes.readBigInt64LE((2 + at) * wordBytes))
    )
    return new Map(Array.from({ length: filesMax }, (_, at) => [words[2 * at]!, words[2 * at + 1]!]))
  }

  let child: Bun.Subprocess | undefined
  let [skewMs, fastestMs] = [0, 0]
  const setSkew = (ms: number) => {
    skewMs = ms
    fastestMs = Math.max(fastestMs, ms)
    set(0, ms * 1_000)
  }
  const client = new Redis({
    path: socket,
    connectionName: "chaos",
    retryStrategy: () => 50,
    maxRetriesPerRequest: null
  })
  client.on("error", () => {})

  const start = async () => {
    child = Bun.spawn(
      [
        ...[findServer()!, "--bind", "127.0.0.1", "--port", String(port), "--unixsocket", socket],
        ...["--dir", data, "--save", "", "--maxmemory-policy", "noeviction", "--loglevel", "warning"],
        ...["--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-min-size", rewriteMinSize],
        ...["--enable-debug-command", "local", "--busy-reply-threshold", String(busyAfterMs)],
        ...["--logfile", `${folder}/redis.log`]
      ],
      {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        env: {
          PATH: process.env["PATH"]!,
          ...(library === undefined ? {} : { LD_PRELOAD: library, CHAOS_SHIM: stateFile })
        }
      }
    )
    await eventually("Redis to answer", async () => {
      const probe = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => null })
      probe.on("error", () => {})
      try {
        await probe.connect()
        return (await probe.ping()) === "PONG" ? true : undefined
      } catch {
        return undefined
      } finally {
        probe.disconnect()
      }
    })
  }
  // Nothing of a campaign outlives whoever runs it.
  const endWith = () => {
    child?.kill("SIGKILL")
  }
  process.on("exit", endWith)
  const kill = async () => {
    child?.kill("SIGKILL")
    await child?.exited
  }
  await start()

  return {
    hasShim: library !== undefined,
    fsync,
    port,
    url: `unix:${socket}`,
    socket,
    client,
    pid: () => child!.pid,
    isAlive: () => child?.exitCode === null && child.signalCode === null,
    start,
    kill,
    freeze: () => child?.kill("SIGSTOP"),
    thaw: () => child?.kill("SIGCONT"),
    /** Kills it, and takes from its files what no sync had made safe. Says how many bytes that were. */
    losePower: async () => {
      await kill()
      const safe = safeSizes()
      let lost = 0
      for (const name of readdirSync(`${data}/appendonlydir`)) {
        const file = `${data}/appendonlydir/${name}`
        const { ino, size } = statSync(file)
        const left = safe.get(ino)
        if (left === undefined || left >= size) continue
        truncateSync(file, left)
        lost += size - left
      }
      return lost
    },
    fillDisk: () => set(1, 1),
    freeDisk: () => set(1, 0),
    /** Sets its clock by so much more; for good. */
    jump: (ms: number) => setSkew(skewMs + ms),
    /** Sets its clock to the latest that it ever showed, so that what was delayed by one that was fast comes due. */
    catchUp: () => setSkew(fastestMs),
    stop: async () => {
      client.disconnect()
      child?.kill("SIGCONT")
      await kill()
      process.off("exit", endWith)
    }
  }
}

export type Server = Awaited<ReturnType<typeof startServer>>
