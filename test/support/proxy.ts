/**
 * A proxy between one process and Redis that knows which script a request runs and which reply is its own, and does
 * harm at one named place: before the script, after it, or to what is said of it.
 *
 * Once it has struck, everything goes through. Requests and replies of a connection stay in their order.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { buildScripts, type ScriptName } from "../../runtime/redis/scripts.ts"
import { addressOf } from "./address.ts"
import { isPublished, isPush, Messages, wordsOf } from "./proxy-frames.ts"

/** A script on its way to Redis. */
export interface ScriptRequest {
  readonly script: ScriptName
  /** What the keys it works on begin with. */
  readonly base: string
  readonly args: ReadonlyArray<string>
}

/** The first request of a script, or the first that is the one meant. */
export interface Place {
  readonly script: ScriptName
  readonly which?: (request: ScriptRequest) => boolean
}

export type Harm =
  /** The process is killed; the request never reaches Redis. */
  | { readonly kind: "kill before"; readonly kill: () => void }
  /** Redis has run the script; the process is killed before it hears of that. */
  | { readonly kind: "kill after"; readonly kill: () => void }
  /** Redis has run the script; its reply is dropped, and the connection is cut. */
  | { readonly kind: "drop" }
  /** Redis has run the script; its reply, and all after it, wait for so long. */
  | { readonly kind: "hold"; readonly ms: number }
  /** The request lies somewhere until it was given up and said again, and the repetition was answered. Then it runs. */
  | { readonly kind: "late" }

/** How long a process lives on whose request was stopped: one that says too early that it is done has said so by then. */
const momentMs = 20

/** Confirmations of these come as pushes, and nothing else answers them. */
const unanswered = /^s?(un)?subscribe$/i

const scriptsCalled = new Map(
  Object.entries(buildScripts().functions).map(([script, called]) => [called, script as ScriptName])
)

const requestOf = (words: ReadonlyArray<string>): ScriptRequest | undefined => {
  const script = words[0]?.toLowerCase() === "fcall" ? scriptsCalled.get(words[1]!) : undefined
  // After the name come the number of keys and the one key.
  return script === undefined ? undefined : { script, base: words[3]!, args: words.slice(4) }
}

const isAt = ({ script, which }: Place, request: ScriptRequest | undefined): boolean =>
  request?.script === script && (which === undefined || which(request))

/** Writes whole messages, or each byte by itself. */
class Writer {
  readonly #to: Socket
  #before: Promise<void> = Promise.resolve()
  #busy = 0

  constructor(to: Socket) {
    this.#to = to
  }

  write(message: Buffer, inCrumbs: boolean): void {
    if (!inCrumbs && this.#busy === 0) return void this.#to.write(message)
    this.#busy += 1
    this.#before = this.#before.then(async () => {
      for (let at = 0; inCrumbs && at < message.length; at++) {
        this.#to.write(message.subarray(at, at + 1))
        await new Promise(setImmediate)
      }
      if (!inCrumbs) this.#to.write(message)
      this.#busy -= 1
    })
  }
}

interface Armed {
  readonly place: Place
  readonly harm: Harm
  readonly struck: () => void
  readonly over: () => void
}

export interface ProxyOptions {
  /** Scripts and their replies go byte by byte. */
  readonly inCrumbs?: boolean
  /** What is published is not passed on. */
  readonly isDeaf?: boolean
}

/** Starts a proxy in front of the Redis at `url`. */
export const startProxy = async (url: string, { inCrumbs = false, isDeaf = false }: ProxyOptions = {}) => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-proxy-`)
  const socket = `${folder}/p.sock`
  const { path } = addressOf(url)
  if (path === undefined) throw new Error(`the proxy goes to unix sockets only, not to ${url}`)
  const seen = new Set<ScriptName>()
  const open = new Set<Socket>()
  let armed: Armed | undefined
  /** A request that is to come late, and what lets it go. */
  let late: { readonly place: Place; readonly release: () => void } | undefined

  const take = (request: ScriptRequest | undefined): Armed | undefined => {
    if (armed === undefined || !isAt(armed.place, request)) return undefined
    const taken = armed
    armed = undefined
    return taken
  }

  const server = createServer((client) => {
    const redis = connect({ path })
    for (const end of [client, redis]) {
      open.add(end)
      end.on("error", () => {})
      end.on("close", () => open.delete(end))
    }
    const toRedis = new Writer(redis)
    const toClient = new Writer(client)
    const expected: Array<{ readonly request: ScriptRequest | undefined; readonly harm: Armed | undefined }> =
      []
    /** What waits behind a held reply, or behind a request that is late. */
    let heldReplies: Array<Buffer> | undefined
    let heldRequests: Array<() => void> | undefined
    let isCut = false
    const cut = () => {
      isCut = true
      client.destroy()
      redis.destroy()
    }

    const forward = (message: Buffer, request: ScriptRequest | undefined, harm: Armed | undefined) => {
      expected.push({ request, harm })
      toRedis.write(message, inCrumbs && request !== undefined)
    }

    const ask = (message: Buffer) => {
      const words = wordsOf(message)
      if (unanswered.test(words[0] ?? "")) return toRedis.write(message, false)
      const request = requestOf(words)
      if (request !== undefined) seen.add(request.script)
      const harm = take(request)
      if (harm?.harm.kind === "kill before") {
        isCut = true
        const { kill } = harm.harm
        setTimeout(() => {
          kill()
          harm.struck()
        }, momentMs)
      } else if (harm?.harm.kind === "late") {
        heldRequests = [() => forward(message, request, harm)]
        late = {
          place: harm.place,
          release: () => {
            for (const send of heldRequests?.splice(0) ?? []) send()
          }
        }
      } else if (heldRequests !== undefined) heldRequests.push(() => forward(message, request, harm))
      else forward(message, request, harm)
    }

    const answer = (message: Buffer) => {
      if (isPush(message)) return isDeaf && isPublished(message) ? undefined : pass(message, false)
      const { harm, request } = expected.shift() ?? {}
      switch (harm?.harm.kind) {
        case undefined:
        case "kill before":
          pass(message, inCrumbs && request !== undefined)
          break
        case "kill after":
          isCut = true
          harm.harm.kill()
          harm.struck()
          break
        case "drop":
          cut()
          harm.struck()
          break
        case "hold": {
          heldReplies = [message]
          const release = () => {
            for (const held of heldReplies ?? []) toClient.write(held, false)
            heldReplies = undefined
            harm.over()
          }
          setTimeout(release, harm.harm.ms).unref()
          harm.struck()
          break
        }
        case "late":
          harm.struck()
          harm.over()
          break
      }
      if (late !== undefined && heldRequests === undefined && isAt(late.place, request)) {
        const { release } = late
        late = undefined
        release()
      }
    }

    const pass = (message: Buffer, byteByByte: boolean) => {
      if (heldReplies !== undefined) heldReplies.push(message)
      else if (!client.destroyed) toClient.write(message, byteByByte)
    }

    const requests = new Messages()
    const replies = new Messages()
    client.on("data", (piece: Buffer) => {
      for (const message of requests.push(piece)) if (!isCut) ask(message)
    })
    redis.on("data", (piece: Buffer) => {
      for (const message of replies.push(piece)) if (!isCut) answer(message)
    })
    // What is late outlives its sender, as it would in the server's buffer.
    client.on("close", () => heldRequests ?? redis.destroy())
    redis.on("close", () => client.destroy())
  })
  const listening = Promise.withResolvers<void>()
  server.listen(socket, listening.resolve)
  await listening.promise

  return {
    url: `unix:${socket}`,
    /** The scripts that were asked for so far. */
    seen: (): ReadonlySet<ScriptName> => seen,
    /** Does harm at the first request that is at the place. */
    harm: (place: Place, harm: Harm) => {
      const struck = Promise.withResolvers<void>()
      const over = Promise.withResolvers<void>()
      armed = { place, harm, struck: struck.resolve, over: over.resolve }
      return {
        /** Resolves when it has happened. */
        struck: struck.promise,
        /** Resolves when what was held, or came late, has been let go. */
        over: over.promise
      }
    },
    close: () => {
      server.close()
      for (const end of open) end.destroy()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export type Proxy = Awaited<ReturnType<typeof startProxy>>
