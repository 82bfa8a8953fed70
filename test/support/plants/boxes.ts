/** Bugs in boxes, rings, suspects, shares, and what operators hold back. */
import { type Plant, plant } from "./plant.ts"

export const boxPlants: ReadonlyArray<Plant> = [
  // Room.
  plant("an end gives no room back", `    send("ZREM", key.taken(name), runs)\n`, ""),
  plant(
    "an end does not put its box back into the ring",
    `runs)\n  end\n  mark_ready(names)\n`,
    "runs)\n  end\n"
  ),
  plant("a retry gives no room back", "  give_up_room(left, nexts)\n", ""),
  plant(
    "a release gives no room back",
    "  give_up_room(runs, nexts)\n",
    "  if lost_by then give_up_room(runs, nexts) end\n"
  ),
  plant(
    "a reap gives no room back",
    "  give_up_room(runs, nexts)\n",
    "  if not lost_by then give_up_room(runs, nexts) end\n"
  ),
  plant(
    "room that was given up is taken by nobody",
    "      elseif not seen[name] then\n        seen[name] = true\n        touched[#touched + 1] = name\n",
    ""
  ),
  plant(
    "a box has room for one more",
    "left or limit - taken_of(name)",
    "left or limit + 1 - taken_of(name)"
  ),
  plant("a claim takes no room", `      if free[k] then\n`, `      if false then\n`),

  // Order.
  plant(
    "an ordered box goes on while one of its tasks waits to be tried again",
    `if find(flags, "o", 1, true) then\n        redis.call("ZADD"`,
    `if false then\n        redis.call("ZADD"`
  ),
  plant(
    "every box keeps the room of a retry",
    `if find(flags, "o", 1, true) then\n        redis.call("ZADD"`,
    `if true then\n        redis.call("ZADD"`
  ),
  plant(
    "a retry goes to the tail of its ordered box",
    `(at_head or kept) and "LPUSH"`,
    `at_head and "LPUSH"`
  ),
  plant(
    "what is given back goes to the tail of its box",
    `(at_head or kept) and "LPUSH"`,
    `kept and "LPUSH"`
  ),
  plant(
    "what is given back to a box goes newest first",
    "local k = at_head and #boxed + 1 - i or i",
    "local k = i"
  ),
  plant(
    "the newest of a box is claimed first",
    `redis.call("LPOP", key.box(name), count)`,
    `redis.call("RPOP", key.box(name), count)`
  ),

  // Boxes in their rings.
  plant(
    "a box is forgotten while its tasks wait for their time",
    `      redis.call("HSETNX", key.boxes, name, configs[k])\n`,
    ""
  ),
  plant("a box without work and runs is kept", `  send("HDEL", key.boxes, gone)\n`, ""),
  plant(
    "a box with runs is forgotten",
    `if taken_of(name) == 0 then\n          gone`,
    `if true then\n          gone`
  ),
  plant("a box is in its ring twice", `if limit and not find(flags, "r", 1, true) then`, "if limit then"),
  plant(
    "a second submit puts a box into its ring twice",
    `(config and find(config, "r", 1, true) and "r" or "")`,
    `""`
  ),
  plant(
    "what the newest submit says of a box does not count",
    "configs[2 * i] = said[name] ..",
    `configs[2 * i] = (config and string.gsub(config, "r", "") or said[name]) ..`
  ),
  plant("a box is not put back into its ring after a claim", "    mark_ready(looked)\n  end\n", "  end\n"),
  plant(
    "a box that has had its turn is the next again",
    `send("RPUSH", key.ready(ring), rings[ring])`,
    `send("LPUSH", key.ready(ring), rings[ring])`
  ),
  {
    bug: "a box is emptied before the next has its turn",
    changes: [["if count > quantum and (k < #names", "if false and (k < #names"]]
  },
  plant("boxes go before lanes", "math.floor((want + now % 2) / 2)", "want"),
  plant("boxes wait for the lanes to be empty", "math.floor((want + now % 2) / 2)", "0"),
  plant("urgent and high share with the boxes", "    claim_lanes(want, 1, 2)\n", ""),
  plant(
    "the box of a paused key is claimed from",
    `return some_paused and redis.call("SISMEMBER"`,
    `return false and redis.call("SISMEMBER"`
  ),
  plant("the box of a resumed key stays out of its ring", "mark_ready(names)\nring()", "ring()"),
  plant(
    "what has ended is handed out from a box",
    "if is_current(found[at], entry) then",
    "if found[at] then"
  ),

  // Rings with limits.
  plant("a ring with limits is not known", `      redis.call("ZADD", key.rings, "NX", 0, ring)\n`, ""),
  plant(
    "a box that comes to a ring ends its deferral",
    `redis.call("ZADD", key.rings, "NX", 0, ring)`,
    `redis.call("ZADD", key.rings, 0, ring)`
  ),
  plant("a ring that a claim has emptied is kept", `        redis.call("ZREM", key.rings, ring)\n`, ""),
  plant("an empty ring is kept", `      redis.call("ZREM", key.rings, ring_name)\n`, ""),
  plant("permits are not counted", "math.min(permits, want - enough), held", "want - enough, held"),
  plant(
    "permits are counted anew in the second turn",
    "tonumber(ARGV[i + 1]) - before",
    "tonumber(ARGV[i + 1])"
  ),
  plant("limited tasks go before all others", "claim_permitted(share and", "claim_permitted(false and"),
  plant(
    "limited tasks get no more than their share",
    "  if share then\n    claim_permitted",
    "  if false then\n    claim_permitted"
  ),
  plant(
    "claims with permits are not counted as claims",
    "held, claims)\n    want = want - count\n",
    "held, claims)\n"
  ),
  plant("a deferral is not heard", `"XX", now + tonumber(ARGV[i + 1])`, `"XX", now`),
  plant("a ring that has no work is deferred", `key.rings, "XX", now`, "key.rings, now"),
  plant("the end of a deferral is not told", "return next_ring[2] and sooner", "return false and sooner"),
  plant("a full worker keeps what is limited to itself", "(some_ring and asked == 0)", "false"),

  // Suspects.
  plant("suspects are not set apart", "if crashes >= crashes_suspect and", "if false and"),
  plant("a task is a suspect after one death", "if crashes >= crashes_suspect and", "if crashes >= 1 and"),
  plant("one of a box is no suspect", "if crashes >= suspects.from and not stays then", "if false then"),
  plant(
    "one of a box is a suspect after one death",
    "if crashes >= suspects.from and not stays then",
    "if crashes >= 1 and not stays then"
  ),
  plant(
    "two suspects of boxes are handed out at once",
    "suspects.may_take, suspects.has_one = false, suspects.has_one or not stays",
    "suspects.has_one = suspects.has_one or not stays"
  ),
  plant("a box is not put back into its ring when a suspect stays in it", "  mark_ready(put_off)\n", ""),
  plant(
    "permits are asked for again for suspects alone",
    "if count == 0 and some_stay then",
    "if false then"
  ),
  plant(
    "two suspects are handed out at once",
    `redis.call("LPOP", key.suspects, 1)`,
    `redis.call("LPOP", key.suspects, 2)`
  ),
  plant(
    "a worker is handed a suspect beside another",
    `suspects.may_take = crashes_suspect, ARGV[12] == "1"`,
    "suspects.may_take = crashes_suspect, true"
  ),
  plant("other suspects wait for no one", "if suspects.left or (", "if ("),
  plant(
    "other suspects of boxes wait for no one",
    "suspects.left = not suspects.may_take, suspects.has_one",
    "_ = not suspects.may_take"
  ),

  // Shares, pauses, caps.
  plant(
    "lower lanes get no share",
    `if filled > (some_special and 0 or 1) and ARGV[11] ~= "" then`,
    "if false then"
  ),
  plant(
    "a share is more than was wanted",
    "local from_lane = math.min(count, want)",
    "local from_lane = count"
  ),
  plant("boxes have no share", `if some_special and lanes[place] == "normal" then`, "if false then"),
  plant(
    "boxes have a share of each lane",
    `if some_special and lanes[place] == "normal" then`,
    "if some_special then"
  ),
  plant("a share goes to the lane above", "  local place = 1\n", "  local place = 0\n"),
  plant("a paused queue hands out", `paused = control[1] == "1"`, "paused = false"),
  plant("a paused queue rings all the time", "(not paused and not capped and", "(not capped and"),
  plant("so many at once is not heeded", "elseif control[2] then", "elseif false then"),
  plant(
    "so many at once is counted for one worker",
    `running = running + redis.call("SCARD"`,
    `running = redis.call("SCARD"`
  ),
  plant("a full queue rings all the time", "not capped and (want == 0", "(want == 0"),
  plant("a queue's rate is not counted", `  add(rate, now, #claims / 2)\n`, ""),
  plant("a queue's rate outlives itself", `  redis.call("HDEL", key.control, "rateUsed")\n`, ""),

  // Bounds.
  plant("a queue's depth is not looked at", "if bounds[1] and", "if false and"),
  plant("a queue may be one deeper", "+ count > tonumber(bounds[1])", "> tonumber(bounds[1])"),
  plant("a queue's age is not looked at", "  if bounds[2] then\n", "  if false then\n"),
  plant("a key's depth is not looked at", "  if bounds[3] then\n", "  if false then\n"),
  plant(
    "a key may be deeper by what comes at once",
    `redis.call("LLEN", key.box(name)) + added >`,
    `redis.call("LLEN", key.box(name)) >`
  ),
  plant("new tasks are not counted as living", `"living", count)`, `"living", 0)`),
  plant("ended tasks are counted as living", `"living", -count)`, `"living", 0)`)
]
