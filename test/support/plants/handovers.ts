/** Bugs in how submits hand tasks to workers that stand by. */
import { type Plant, plant } from "./plant.ts"

export const handoverPlants: ReadonlyArray<Plant> = [
  plant("nothing is handed over", "if is_governed or #record", "if true or #record"),
  plant("a queue hands over what it is to hold back", "if is_governed or #record", "if #record"),
  plant(
    "what is handed over is not held",
    `      redis.call("SADD", key.held(worker), entry)\n      return`,
    "      return"
  ),
  plant("what waits is passed", " == 0 or some_wait() then", " == 0 then"),
  plant("a worker that was not heard of is handed a task", "digits(now - standby_max)", `"-inf"`),
  plant("a worker that is ahead of the clock is handed a task", "digits(now + standby_max)", `"+inf"`),
  plant(
    "who hears no orders is handed a task",
    `entry .. " " .. record) > 0`,
    `entry .. " " .. record) >= 0`
  ),
  plant("only one worker is tried", `"LIMIT", 0, hand_tries`, `"LIMIT", 0, 1`),
  plant("who was handed a task stands by", `      redis.call("ZREM", key.standby, worker)\n`, ""),
  plant(
    "what is handed over waits in its lane, too",
    "if not worker then\n  while at <=",
    "if true then\n  while at <="
  ),
  plant("a worker that takes a turn stands by all the while", `if ARGV[14] == "1" and`, "if false and"),
  plant(
    "what was handed over takes up nothing of what is wanted",
    "handed, want = 1, math.max(0, want - 1)",
    "handed = 1"
  ),
  plant("a worker without room stands by", " and #claims / 2 + handed < asked", ""),
  plant("a worker that has left stands by", `redis.call("ZREM", key.standby, ARGV[1])\n`, ""),
  plant("a dead worker stands by", `    redis.call("ZREM", key.standby, dead)\n`, "")
]
