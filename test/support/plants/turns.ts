/** Bugs in what all tasks go through: submits, settlements, leases, claims, events, hints, the sweep. */
import { type Plant, plant } from "./plant.ts"

export const turnPlants: ReadonlyArray<Plant> = [
  // Submit.
  plant(
    "a submit said again stores its tasks twice",
    "if #ARGV < 5 or records_or_letters_of({ ARGV[5] })[1] then",
    "if #ARGV < 5 then"
  ),
  plant("what is owed is judged by the first of it", "(not is_each and records", "(records"),
  plant("what is owed is stored again", "if is_each and #all > 0 then", "if false then"),
  plant(
    "children are judged by the first of them",
    `is_owed or (first_group == 3 and (ARGV[first_group + 4] or "") ~= "")`,
    "is_owed"
  ),
  plant(
    "a submit said again does not see dead letters",
    "records_or_letters_of({ ARGV[5] })",
    "records_of({ ARGV[5] })"
  ),
  plant(
    "a segment that gets a task stays marked to be dropped",
    `    redis.call("ZREM", key.kept, segment)\n`,
    ""
  ),
  plant(
    "a delay is taken for a time",
    `sub(due, 1, 1) == "+" and now + tonumber(due) or tonumber(due)`,
    "tonumber(due)"
  ),
  plant(
    "a submit does not ring for an earlier due time",
    `redis.call("ZRANGE", key.later, 0, 0)[1] ~= before`,
    "false"
  ),

  // Settling.
  plant(
    "the fence is dropped: whatever a worker names is its own",
    "return members[place] == 1",
    "return true"
  ),
  plant("what was settled stays held", `send("SREM", held, settled)\n`, ""),
  plant(
    "a worker that was fenced goes on",
    `ARGV[5] == "0" and (not registered or`,
    `ARGV[5] == "0" and registered and (`
  ),
  plant("a worker that was evicted goes on", " or tonumber(registered) == 0", ""),
  plant(
    "a settlement said again does not know its own outcome",
    "if present[i] ~= expected_records[i] then",
    "if true then"
  ),
  plant(
    "a settlement said again takes any outcome for its own",
    "if present[i] ~= expected_records[i] then",
    "if not present[i] then"
  ),
  plant(
    "a turn said again tells nothing of what is held",
    "if again then\n  local new",
    "if false then\n  local new"
  ),
  plant("a retry has no delay", "now + tonumber(ARGV[i + 1])", "now"),
  plant("a retry keeps its run", "sub(entry, 1, 8), next_run(entry)\n", "sub(entry, 1, 8), entry\n"),
  plant("a note is kept after the end", `send("HDEL", key.running, noted)\n`, ""),
  plant(
    "a stream outlives its retention",
    `    redis.call("PEXPIRE", key.events(id_of(ARGV[i])), digits(retention))\n`,
    ""
  ),
  plant(
    "an earlier run's stream outlives its retention",
    `        redis.call("PEXPIRE", key.events(id), digits(retention))\n`,
    ""
  ),
  plant("a dead letter stays in its segment", `    send("HDEL", key.task(segment), buried)\n`, ""),
  plant("an end is not counted", "leave(segment, #positions,", "leave(segment, 0,"),
  plant("a plain end is not counted", "(last - first + 1) / 2, now", "0, now"),
  plant("plain ends of others count", "members[i] ~= 1", "false"),
  plant("one plain end that is lost lets all others count", "if members[k] == 1 then", "if true then"),
  plant("nothing follows from plain ends", "if some_follow() then", "if false then"),
  plant("plain ends stay held", `  send_part("SREM", held, ARGV, plain_first, plain_last)\n`, ""),
  plant("plain ends beside a lost one stay held", `  send("SREM", held, entries)\n`, ""),
  plant(
    "a hint of a lost plain end says how it ended",
    "plain_outcomes or records_by_id()",
    "records_by_id()"
  ),

  // Giving back.
  plant("a crash is not counted", "crashes = crashes + 1", "crashes = crashes + 0"),
  plant(
    "a release is counted as a crash",
    "local crashes = tonumber(counted)",
    "local crashes = tonumber(counted) + (lost_by and 0 or 1)"
  ),
  plant("a run that was lost is not noted", `losses = losses .. "@"`, `local _ = losses .. "@"`),
  plant("what is noted of a lost run's start is forgotten", `'"startedAt":(%d+)'`, `'"startedAt":(%a+)'`),
  plant("a fourth crash is allowed", "crashes >= crashes_max", "crashes > crashes_max"),
  plant(
    "what is given back goes to the tail",
    `send("LPUSH", key.lane(lane), reversed)`,
    `send("RPUSH", key.lane(lane), list)`
  ),
  plant(
    "what is given back goes newest first",
    "table.sort(entries)\n",
    "table.sort(entries, function(a, b) return a > b end)\n"
  ),
  plant("notes of a dead worker's runs stay", `  send("HDEL", key.running, entries)\n`, ""),

  // Leases.
  plant(
    "a lease is not renewed",
    `"ZADD", key.workers, now + lease`,
    `"ZADD", key.workers, "NX", now + lease`
  ),
  plant(
    "leases are judged after a jump of the clock",
    "local calm = expected == 0 or",
    "local calm = true or"
  ),
  plant(
    "an evicted worker is not reaped after a jump of the clock",
    "deadline == 0 or (calm and deadline <= now)",
    "calm and deadline <= now"
  ),
  plant("the dead live on when the clock was set back", " or math.abs(expected) - now > jump then", " then"),
  plant(
    "the dead live on when the clock was set back and all others are new",
    `if ARGV[5] == "1" or math.abs(expected) - now`,
    "if math.abs(expected) - now"
  ),
  plant(
    "another worker's longer lease is cut",
    `(tonumber(string.match(about, '"leaseMs":(%d+)')) or lease)`,
    "lease"
  ),
  plant(
    "a lease is cut when the clock went ahead",
    "or math.abs(expected) - now > jump then",
    "or math.abs(math.abs(expected) - now) > jump then"
  ),
  plant(
    "who judges no lease does not see that the clock was set back",
    "or math.abs(expected) - now > jump then",
    "or expected - now > jump then"
  ),
  plant(
    "leases are judged by one that is not to",
    "or math.abs(now - expected) <= jump",
    "or math.abs(now - math.abs(expected)) <= jump"
  ),
  plant("a lease ends a moment late", "calm and deadline <= now", "calm and deadline < now"),
  plant(
    "a crowd is handed back in any order",
    `redis.call("SORT", key.held(dead), "ALPHA", "DESC", "LIMIT", 0, reap_max)`,
    `redis.call("SRANDMEMBER", key.held(dead), reap_max)`
  ),
  plant("a crowd's second piece is forgotten", "if #theirs < reap_max then", "if true then"),
  plant("nobody is told of another dead worker", "    if expired(calm) then\n      ring()\n    end\n", ""),
  plant(
    "a worker that leaves takes its tasks along",
    ` and redis.call("EXISTS", key.held(ARGV[1])) == 0`,
    ""
  ),
  plant("an eviction does not ring", `key.workers, 0, ARGV[1])\n  ring()`, "key.workers, 0, ARGV[1])"),

  // Promoting and claiming.
  {
    bug: "a task is promoted before it is due",
    changes: [
      ["if first < 0 or first > now then", "if first < 0 or first > now + 500 then"],
      [`"-inf", now, "LIMIT", 0, promote_max`, `"-inf", now + 500, "LIMIT", 0, promote_max`]
    ]
  },
  plant("the next due time is the one that has just passed", "  return next_due()\n", "  return first\n"),
  plant(
    "the newest is claimed first",
    `arguments[size + 2] = "LEFT", "COUNT"`,
    `arguments[size + 2] = "RIGHT", "COUNT"`
  ),
  plant(
    "one more is claimed than was wanted",
    "arguments[size + 3] = want - enough",
    "arguments[size + 3] = want - enough + 1"
  ),
  plant("a claim is not held", `  send("SADD", held, valid)\n`, ""),
  plant("the bell never rings", `    redis.call("RPUSH", key.bell, "1")\n`, ""),
  plant(
    "a turn that leaves work behind does not ring",
    "(want == 0 or given_up) and work_is_left()",
    "false"
  ),

  // Events, hints, the sweep.
  plant("a run that is over goes on appending", "if member == 0 then", "if false then"),
  plant(
    "an event said again is stored again",
    `redis.pcall("XADD", stream, run .. seq,`,
    `redis.pcall("XADD", stream, run .. "*",`
  ),
  plant("a worker is not told that it lost a run", "return lost\n", "return {}\n"),
  plant(
    "those who watch are not told of events",
    "tell_watchers(told, false, lines)\nreturn lost",
    "return lost"
  ),
  plant("a hint brings no events along", "    if is_told then\n", "    if false then\n"),
  plant("an event that was there is told again", "elseif is_refused or #json", "elseif #json"),
  plant("those who watch are not told of the end", "  tell_watchers(ids, true)\n", ""),
  plant("a hint brings no outcome along", "outcome and #outcome <= hint_record_max and outcome", "false"),
  {
    bug: "a hint brings along an outcome that was refused",
    changes: [
      ["  for k = 1, count do\n    of", "  for k = starts[1], starts[2] - 1, 2 do\n    of"],
      ["of[settled[k]] = outcomes[k]", "of[ARGV[k]] = ARGV[k + 1]"]
    ]
  },
  plant("a watch outlives its task", "if last then", "if false then"),
  plant("unwatching does not", "if name ~= ARGV[1] then\n        kept", "if true then\n        kept"),
  plant("a segment is dropped before its time", `key.kept, "-inf", now`, `key.kept, "-inf", "+inf"`),
  plant("a dead letter is dropped before its time", "now - tonumber(ARGV[2])", "now"),
  plant("a dropped segment stays marked", `send("ZREM", key.kept, names)\n`, "")
]
