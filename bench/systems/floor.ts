/**
 * The floor: the bare Lua of the same data movement with no product around it. Ids move between a list and a set, a
 * record is written twice; there are no leases, retries, limits, streams or answers, and a handler is a plain call.
 *
 * What Troupe reaches of it is what everything that it promises leaves over.
 */
import { Redis } from "ioredis"
import { outputOf, type System } from "./system.ts"
import { addressOf } from "./address.ts"

const base = "floor:{default.0}:"

const submitScript = `
local ids, fields = {}, {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
  fields[#fields + 1] = ARGV[i]
  fields[#fields + 1] = ARGV[i + 1]
end
redis.call('HSET', KEYS[1] .. 'task', unpack(fields))
redis.call('RPUSH', KEYS[1] .. 'lane', unpack(ids))
if redis.call('LLEN', KEYS[1] .. 'bell') == 0 then redis.call('RPUSH', KEYS[1] .. 'bell', '1') end
return #ids`

const turnScript = `
local held, ended, fields = KEYS[1] .. 'held', {}, {}
for i = 2, #ARGV, 2 do
  ended[#ended + 1] = ARGV[i]
  fields[#fields + 1] = ARGV[i]
  fields[#fields + 1] = ARGV[i + 1]
end
if #ended > 0 then
  redis.call('SMISMEMBER', held, unpack(ended))
  redis.call('SREM', held, unpack(ended))
  redis.call('HSET', KEYS[1] .. 'task', unpack(fields))
  redis.call('INCRBY', KEYS[1] .. 'ended', #ended)
end
local ids = redis.call('LPOP', KEYS[1] .. 'lane', ARGV[1])
if not ids then return {} end
redis.call('SADD', held, unpack(ids))
local records, reply = redis.call('HMGET', KEYS[1] .. 'task', unpack(ids)), {}
for i, id in ipairs(ids) do
  reply[2 * i - 1] = id
  reply[2 * i] = records[i]
end
return reply`

/** How many tasks a turn claims: the worker's own number is bounded alike. */
const claimMax = 250

type Scripted = Redis & {
  readonly floorSubmit: (base: string, ...args: ReadonlyArray<string>) => Promise<number>
  readonly floorTurn: (base: string, want: number, ...ended: ReadonlyArray<string>) => Promise<Array<string>>
}

export const floor: System = {
  name: "floor",
  share: 1,

  connect: async (url) => {
    const connection = addressOf(url)
    const redis = new Redis(connection) as Scripted
    redis.defineCommand("floorSubmit", { numberOfKeys: 1, lua: submitScript })
    redis.defineCommand("floorTurn", { numberOfKeys: 1, lua: turnScript })
    let made = 0
    const submitAll = (inputs: ReadonlyArray<unknown>) =>
      redis.floorSubmit(
        base,
        ...inputs.flatMap((input) => [
          `${process.pid.toString(36)}-${(made++).toString(36)}`.padStart(26, "0"),
          `Q${JSON.stringify({ name: "noop", input })}`
        ])
      )

    const work = async (concurrency: number) => {
      const bell = new Redis(connection)
      let stopping = false
      const ended: Array<string> = []
      const turn = () => redis.floorTurn(base, Math.min(claimMax, concurrency), ...ended.splice(0))
      /** Two turns are in flight, so that one batch runs while the next is fetched. */
      const loop = async () => {
        while (!stopping || ended.length > 0) {
          const claimed = await turn()
          if (claimed.length === 0 && ended.length === 0) await bell.blpop(`${base}bell`, 0.05)
          for (let at = 0; at < claimed.length; at += 2) {
            const { input } = JSON.parse(claimed[at + 1]!.slice(1))
            const output = await outputOf(input)
            ended.push(claimed[at]!, `S${JSON.stringify({ output })}`)
          }
        }
      }
      const loops = [loop(), loop()]
      return async () => {
        stopping = true
        await Promise.all(loops)
        bell.disconnect()
      }
    }
    return { submit: (input) => submitAll([input]), submitAll, work }
  },

  unended: async (redis) => {
    const [waiting, held, settled] = await Promise.all([
      redis.llen(`${base}lane`),
      redis.scard(`${base}held`),
      redis.hlen(`${base}task`)
    ])
    return settled === 0 ? 0 : waiting + held
  },

  kept: async (redis) => Number((await redis.get(`${base}ended`)) ?? 0)
}
