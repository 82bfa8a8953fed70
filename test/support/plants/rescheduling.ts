/** Bugs in what becomes of a task that is given another time. */
import { type Plant, plant } from "./plant.ts"

export const reschedulingPlants: ReadonlyArray<Plant> = [
  plant("a record says nothing of another time", "record = with_due(record, due)\n", ""),
  plant(
    "a record that says when it was due goes on saying that",
    "    return sub(record, 1, first - 1) .. field .. sub(record, last + 1)\n",
    "    return record\n"
  ),
  plant(
    "what is to run at once waits for a turn",
    `  redis.call("ZREM", key.later, entry)\n  put({ entry }, false)\n`,
    `  redis.call("ZADD", key.later, due, entry)\n`
  ),
  plant(
    "what is to run at once is due later as well",
    `  redis.call("ZREM", key.later, entry)\n  put({ entry }, false)\n`,
    "  put({ entry }, false)\n"
  ),
  plant(
    "what is due is moved once more",
    `local before = redis.call("ZSCORE", key.later, entry)\n`,
    `local before = redis.call("ZSCORE", key.later, entry) or not holder_of(entry) and "0"\n`
  ),
  plant(
    "a time that is over is taken for one to come",
    "math.max(now, tonumber(ARGV[2]))",
    "tonumber(ARGV[2])"
  ),
  plant(
    "nobody hears of an earlier time",
    "if due < tonumber(first[2]) or due <= now then",
    "if due <= now then"
  ),
  plant("everybody hears of a later time", "if due < tonumber(first[2]) or due <= now then", "if true then"),
  plant("a task is moved past its expiry", `run == 1 and { "!", "#" } or { "#" }`, `{ "#" }`),
  plant(
    "a task that has started is kept from being moved",
    `run == 1 and { "!", "#" } or { "#" }`,
    `{ "!", "#" }`
  ),
  plant(
    "a task is moved past its deadline",
    `run == 1 and { "!", "#" } or { "#" }`,
    `run == 1 and { "!" } or {}`
  ),
  plant("who follows is not told of another time", "tell_watchers({ id }, false)\n", "")
]
