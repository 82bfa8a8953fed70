/** Bugs in alarms, cancels, and between parents and children. */
import { type Plant, plant } from "./plant.ts"

export const familyPlants: ReadonlyArray<Plant> = [
  // Alarms.
  plant(
    "an expiry ends a task that runs",
    "if first and not holder_of(unstarted[i] .. first) then",
    "if first then"
  ),
  plant("an expiry ends a task that has run", `"^Q(%a1)%."`, `"^Q(%a%d+)%."`),
  plant("nothing expires", "  if #unstarted > 0 then\n", "  if false then\n"),
  plant("a deadline is not heeded", "  if #overdue > 0 then\n", "  if false then\n"),
  plant("an alarm outlives its task", `      redis.call("ZREM", key.later, "!" .. id, "#" .. id)\n`, ""),
  plant("a task outlives what is to be tidied", `  send("HDEL", key.ties, tied)\n`, ""),

  // Cancels.
  plant(
    "a child comes to life though its parent was cancelled",
    '    end_early({ ids[i] }, "C", error, now, tonumber(retention))\n',
    ""
  ),
  plant("whoever was cancelled never comes to life", `if ARGV[4] ~= "0" then`, "if true then"),
  plant(
    "a task that was ended early stays held",
    `        redis.call("SREM", key.held(worker), entry)\n`,
    ""
  ),
  plant("a task that was ended early stays due", `        redis.call("ZREM", key.later, entry)\n`, ""),
  plant(
    "the note of a task that was ended early stays",
    `        redis.call("HDEL", key.running, entry)\n`,
    ""
  ),
  plant(
    "the stream of a task that was ended early stays",
    `        redis.call("PEXPIRE", key.events(ids[i]), digits(retention))\n`,
    ""
  ),
  plant(
    "nobody is told to stop",
    `        redis.call("SPUBLISH", key.orders(worker), "stop " .. entry)\n`,
    ""
  ),
  plant(
    "what was cancelled is handed out",
    "return letter == 81 and lane == entry_lane",
    "return lane == entry_lane"
  ),
  plant("what has ended is cancelled", "elseif byte(record) ~= 81 then", "elseif false then"),
  plant("an outcome is written over by another", "if record and byte(record) == 81 then", "if record then"),

  // Waiting.
  plant(
    "the end of the last child wakes nobody",
    "if left == 0 or (entry and may_go",
    "if (entry and may_go"
  ),
  plant(
    "the end of any child wakes its parent",
    "if left == 0 or (entry and may_go",
    "if entry or (entry and may_go"
  ),
  plant("a parent wakes again and again", `    redis.call("HDEL", key.waiting, parent)\n`, ""),
  plant(
    "a parent that wakes does not ring",
    "    put({ entry }, true)\n    ring()\n",
    "    put({ entry }, true)\n"
  ),
  plant("a parent that wakes goes to the tail", "    put({ entry }, true)\n", "    put({ entry }, false)\n"),
  plant(
    "a child that has ended is waited for",
    `if redis.call("SISMEMBER", key.children(id), child) == 1 then`,
    "if true then"
  ),
  plant(
    "a child that has ended still counts as living",
    `  redis.call("SREM", key.children(parent), child)\n`,
    ""
  ),
  plant("who waits for nobody waits for ever", "    put({ parent[1] }, true)\n", ""),
  plant(
    "a wait forgets its outcome",
    "parents[#parents + 1] = { goes_on(entry, ARGV[i + 1]), ARGV[i + 2] }",
    "parents[#parents + 1] = { next_run(entry), ARGV[i + 2] }"
  ),
  plant(
    "a parent in another partition is not told",
    `        redis.call("RPUSH", key.outbox, "ended " .. child .. " " .. rest .. " " .. run .. (has_failed and " failed" or ""))\n`,
    ""
  ),
  plant("nobody learns of the outbox", `some_special and redis.call("EXISTS", key.outbox) or 0`, "0"),
  plant(
    "the children of a cancelled task go on",
    `          redis.call("RPUSH", key.outbox, "cancel " .. child)\n`,
    ""
  ),
  plant(
    "the children of any ended task are cancelled",
    "      if byte(record) == 67 then\n        for",
    "      if true then\n        for"
  ),
  plant("a cancelled parent goes on waiting", `      redis.call("HDEL", key.waiting, id)\n`, ""),

  // Steps.
  plant(
    "a step said again is written over",
    `redis.call("HSETNX", steps, ARGV[3]`,
    `redis.call("HSET", steps, ARGV[3]`
  ),
  plant(
    "a run that is over goes on remembering",
    `if redis.call("SISMEMBER", key.held(ARGV[1]), ARGV[2]) == 0 then`,
    "if false then"
  ),
  plant("a child is not adopted", `  redis.call("SADD", key.children(id), ARGV[5])\n`, ""),
  plant("a child is adopted again by a call that runs late", `(is_new or ARGV[6] == "1")`, "true"),
  plant("a child is not adopted anew", `(is_new or ARGV[6] == "1")`, "is_new"),
  plant("what is remembered outlives its task", `  tie(id, "s")\n`, ""),
  plant(
    "what is remembered stays after the end",
    `      redis.call("UNLINK", key.steps(id), key.children(id), key.awaited(id))\n`,
    ""
  ),
  plant("nobody is said to remember a child", `redis.call("SADD", key.parents(segment), parent)`, ""),
  plant(
    "a dead letter is remembered in its segment",
    "if byte(record) ~= 70 then\n        segments",
    "if true then\n        segments"
  ),
  plant(
    "a segment goes that parents remember",
    "elseif segments.is_remembered(segment) then",
    "elseif false then"
  ),
  plant("a remembered segment stays due", `redis.call("ZADD", key.kept, again, segment)`, ""),
  plant("a parent is never forgotten", 'send_part("SREM", key.parents(segment), ARGV, 3, #ARGV)', ""),
  plant(
    "one forgotten parent is all",
    'if segments.is_remembered(segment) then\n  redis.call("ZADD"',
    'if false then\n  redis.call("ZADD"'
  ),
  plant(
    "a segment is forgotten though something came into it",
    'local is_as_swept = redis.call("ZSCORE", key.kept, segment) == ARGV[2]',
    'local is_as_swept = redis.call("ZSCORE", key.kept, segment)'
  ),
  plant("who is hasty waits for all", "(has_failed and was_awaited)", "false"),
  plant("who is hasty is woken by what it does not wait for", "(has_failed and was_awaited)", "has_failed"),
  plant(
    "who is hasty waits for what has ended since it looked",
    "(not is_hasty or #awaited == named)",
    "true"
  ),
  plant("who is patient is hasty", 'redis.call("SISMEMBER", key.awaited(parent), "!") == 1', "true"),
  plant("nobody elsewhere hears that a child has failed", '(has_failed and " failed" or "")', '""')
]
