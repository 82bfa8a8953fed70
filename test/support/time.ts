/**
 * Time that a test moves by hand, for the store in memory and for Redis alike.
 *
 * In memory it is the `TestClock`. In Redis the scripts are built with a clock that reads a key of the partition, and
 * with expiries on that clock: `advance` moves the key and drops what has expired by then, as Redis would.
 */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Redis } from "ioredis"
import { buildScripts } from "../../runtime/redis/scripts.ts"

/** What every test's clock says at first: far from 0, which means "evicted" and "unknown" to the store. */
export const startOfTime = Date.UTC(2030, 0, 1)

export class TestTime extends Context.Service<
  TestTime,
  {
    /** Unix milliseconds. */
    readonly now: Effect.Effect<number>
    readonly advance: (by: Duration.Input) => Effect.Effect<void>
    /** Somebody corrects the clock, and it shows an earlier time. */
    readonly setBack: (by: Duration.Input) => Effect.Effect<void>
  }
>()("test/TestTime") {}

export const memoryTime = Layer.effect(
  TestTime,
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    return {
      now: Clock.currentTimeMillis,
      advance: TestClock.adjust,
      setBack: (by) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => TestClock.setTime(now - Duration.toMillis(by)))
    }
  })
).pipe(Layer.provideMerge(TestClock.layer()))

/** Added to the expiries on the test's clock, so that Redis, whose own clock they are kept by, never acts on them. */
const far = 10_000_000_000_000

/**
 * The scripts with a clock that stands still. The keys `<base>clock` and `<base>expiring` are the test's own.
 */
export const scriptsOnTestTime = buildScripts({
  clock: `
local server = redis
local function clock()
  return tonumber(server.call("GET", base .. "clock"))
end
local function digits(number)
  return string.format("%.0f", number)
end
local redis = setmetatable({
  call = function(command, ...)
    if command ~= "PEXPIRE" then
      return server.call(command, ...)
    end
    local name, ms = ...
    server.call("SADD", base .. "expiring", name)
    return server.call("PEXPIREAT", name, digits(clock() + tonumber(ms) + ${far}), select(3, ...))
  end
}, { __index = server })
`
})

const advanceScript = `
redis.call("SET", KEYS[1] .. "clock", ARGV[1])
for _, name in ipairs(redis.call("SMEMBERS", KEYS[1] .. "expiring")) do
  local at = redis.call("PEXPIRETIME", name) - ${far}
  if at > 0 and at <= tonumber(ARGV[1]) then
    redis.call("DEL", name)
  end
end
`

/** Moves the clock of the partition whose keys start with `base`. */
export const setRedisTime = (client: Redis, base: string, now: number): Promise<unknown> =>
  client.eval(advanceScript, 1, base, now)
