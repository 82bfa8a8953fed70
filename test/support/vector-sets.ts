/**
 * A Redis with vector sets, for where there is only one without: what is said goes on to the tests' Redis, but the commands of
 * vector sets are answered here as Redis 8.0 documents them.
 */
import { Effect } from "effect"
import { Redis } from "ioredis"
import { redisUrl } from "./redis.ts"

type Reply = string | number | null | Error | ReadonlyArray<Reply>

interface Member {
  readonly values: Float32Array
  attributes: string | undefined
}

const written = (reply: unknown): string => {
  if (reply === null || reply === undefined) return "$-1\r\n"
  if (reply instanceof Error) return `-${reply.message}\r\n`
  if (typeof reply === "number") return `:${reply}\r\n`
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(written).join("")}`
  const text = reply as string
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** The first whole command of some bytes, and how long it is. */
const commandIn = (
  bytes: Buffer
): { readonly words: ReadonlyArray<Buffer>; readonly length: number } | undefined => {
  const line = (at: number) => {
    const end = bytes.indexOf("\r\n", at)
    return end < 0 ? undefined : { number: Number(bytes.toString("latin1", at + 1, end)), next: end + 2 }
  }
  const head = line(0)
  if (head === undefined) return undefined
  let at = head.next
  const words: Array<Buffer> = []
  while (words.length < head.number) {
    const size = line(at)
    if (size === undefined || bytes.length < size.next + size.number + 2) return undefined
    words.push(Buffer.from(bytes.subarray(size.next, size.next + size.number)))
    at = size.next + size.number + 2
  }
  return { words, length: at }
}

const floatsOf = (bytes: Buffer) => new Float32Array(Uint8Array.from(bytes).buffer)

const cosine = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, one, at) => sum + one * b[at]!, 0) / (Math.hypot(...a) * Math.hypot(...b))

/** Whether attributes pass an expression such as `.year >= 2020 and .kind in ["a", "b"]`. */
const passes = (expression: string, attributes: Record<string, unknown>): boolean =>
  expression.split(" and ").every((part) => {
    const [, field, operator, text] = /^\.(\w+) (==|>=|<=|>|<|in) (.+)$/.exec(part) ?? []
    if (field === undefined || text === undefined)
      throw new Error(`syntax error in FILTER expression near ${part}`)
    const raw = attributes[field]
    const value = typeof raw === "boolean" ? Number(raw) : raw
    const other: unknown = JSON.parse(
      text.replaceAll(/'([^']*)'/g, (_, inner: string) => JSON.stringify(inner))
    )
    if (operator === "==") return value === other
    if (operator === "in") return (other as ReadonlyArray<unknown>).includes(value)
    if (typeof value !== "number" || typeof other !== "number") return false
    return { ">": value > other, ">=": value >= other, "<": value < other, "<=": value <= other }[operator!]!
  })

const answers = (sets: Map<string, Map<string, Member>>) => {
  const of = (key: Buffer) => sets.get(key.toString()) ?? new Map<string, Member>()
  const commands: Record<string, (words: ReadonlyArray<Buffer>) => Reply> = {
    VADD: ([key, kind, blob, element, ...options]) => {
      if (kind!.toString() !== "FP32") return new Error("ERR syntax error")
      const set = of(key!)
      const values = floatsOf(blob!)
      const size = set.values().next().value?.values.length ?? values.length
      if (values.length !== size) {
        return new Error(`ERR Vector dimension mismatch - got ${values.length} but set has ${size}`)
      }
      const isNew = !set.has(element!.toString())
      const at = options.findIndex((word) => word.toString() === "SETATTR")
      set.set(element!.toString(), { values, attributes: at < 0 ? undefined : options[at + 1]!.toString() })
      sets.set(key!.toString(), set)
      return isNew ? 1 : 0
    },
    VCARD: ([key]) => of(key!).size,
    VREM: ([key, element]) => (of(key!).delete(element!.toString()) ? 1 : 0),
    VGETATTR: ([key, element]) => of(key!).get(element!.toString())?.attributes ?? null,
    VRANDMEMBER: ([key]) => of(key!).keys().next().value ?? null,
    VSIM: ([key, kind, what, ...rest]) => {
      const options = rest.map(String)
      const after = (name: string) => options[options.indexOf(name) + 1]!
      const set = of(key!)
      const like = kind!.toString() === "ELE" ? set.get(what!.toString())!.values : floatsOf(what!)
      const filter = options.includes("FILTER") ? after("FILTER") : undefined
      // So does Redis 8.0, whatever its documentation says of 0.
      if (options.includes("FILTER-EF") && !(Number(after("FILTER-EF")) > 0))
        throw new Error("invalid FILTER-EF")
      return [...set]
        .filter(
          ([, { attributes }]) =>
            filter === undefined ||
            (attributes !== undefined && passes(filter, JSON.parse(attributes) as Record<string, unknown>))
        )
        .map(([id, { values }]) => [id, (1 + cosine(like, values)) / 2] as const)
        .toSorted((a, b) => b[1] - a[1])
        .slice(0, Number(after("COUNT")))
        .flatMap(([id, score]) => [id, String(score)])
    }
  }
  return commands
}

/** Its URL. */
export const redisWithVectorSets = Effect.gen(function* () {
  const sets = new Map<string, Map<string, Member>>()
  const commands = answers(sets)
  const behind = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(redisUrl.replace(/^unix:/, ""))),
    (client) => Effect.sync(() => client.disconnect())
  )
  const answer = async (words: ReadonlyArray<Buffer>): Promise<Reply> => {
    const [name, ...rest] = [words[0]!.toString().toUpperCase(), ...words.slice(1)] as [
      string,
      ...Array<Buffer>
    ]
    const own = commands[name]
    if (own !== undefined) return own(rest)
    if (name === "COMMAND") return [["vadd", -5, ["write"], 1, 1, 1]]
    if (name === "DEL") for (const key of rest) sets.delete(key.toString())
    return (await behind.call(name, ...rest)) as Reply
  }
  const listener = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.listen<{ bytes: Buffer; before: Promise<void> }>({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          open: (socket) => {
            socket.data = { bytes: Buffer.alloc(0), before: Promise.resolve() }
          },
          data: (socket, data) => {
            socket.data.bytes = Buffer.concat([socket.data.bytes, data])
            while (true) {
              const command = commandIn(socket.data.bytes)
              if (command === undefined) return
              socket.data.bytes = socket.data.bytes.subarray(command.length)
              socket.data.before = socket.data.before.then(async () => {
                const reply = await answer(command.words).catch((error: unknown) => error as Error)
                socket.write(written(reply))
              })
            }
          }
        }
      })
    ),
    (listener) => Effect.sync(() => listener.stop(true))
  )
  return `redis://127.0.0.1:${listener.port}`
})
