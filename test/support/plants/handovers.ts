/** Bugs in how submits hand tasks to workers that stand by. */
import { type Plant, plant } from "./plant.ts"

export const handoverPlants: ReadonlyArray<Plant> = [
  plant("nothing is handed over", "if is_governed or #record", "if true or #record"),
  plant("a queue hands over what it is to hold back", "if is_governed or #record", "if #record"),
  plant(
    "what is handed over is not held",
    `      redis.call("SADD", key.held(worker), entry)\n      hand_to`,
    "      hand_to"
  ),
  plant("what waits is passed", "elseif some_wait() then", "elseif false then"),
  plant(
    "who could not be handed anything for what waits is forgotten",
    `      redis.call("LPUSH", key.standby, worker)\n`,
    ""
  ),
  plant(
    "a worker whose lease is over is handed a task",
    "deadline > clock() + least and",
    "deadline > 0 and"
  ),
  plant(
    "a worker that was not heard of is handed a task",
    "deadline > clock() + least and",
    "deadline > clock() and"
  ),
  plant(
    "who hears no orders is handed a task",
    `"run " .. entry .. " " .. record) > 0`,
    `"run " .. entry .. " " .. record) >= 0`
  ),
  plant("who hears no orders is forgotten", "elseif deadline > 0 then", "elseif false then"),
  plant(
    "the one that came last is handed a task first",
    `redis.call("LPOP", key.standby)`,
    `redis.call("RPOP", key.standby)`
  ),
  plant(
    "what is handed over waits in its lane, too",
    "  if not worker then\n    queue(ARGV[at])\n  end\n",
    "  queue(ARGV[at])\n"
  ),
  plant("a worker that takes a turn stands by all the while", `if ARGV[14] == "1" and`, "if false and"),
  plant(
    "what was handed over takes up nothing of what is wanted",
    "handed, want = 1, math.max(0, want - 1)",
    "handed = 1"
  ),
  plant("a worker without room stands by", " and #claims / 2 + handed < asked", ""),
  plant("a worker that has left stands by", `redis.call("LREM", key.standby, 0, ARGV[1])\n`, ""),
  plant("a dead worker stands by", `    redis.call("LREM", key.standby, 0, dead)\n`, "")
]
