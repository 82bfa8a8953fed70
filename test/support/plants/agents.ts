/** Bugs in the boxes of agents, and in what messages do to their agents. */
import { type Plant, plant } from "./plant.ts"

export const agentPlants: ReadonlyArray<Plant> = [
  plant(
    "an agent's messages are handed out one by one",
    "agent_of(name) and quantum or room",
    "false or room"
  ),
  plant(
    "what a worker died with goes with others",
    "local stays = is_over or (is_agent and crashes > 0 and i > 1)",
    "local stays = is_over"
  ),
  plant("what goes later is lost", `    redis.call("LPUSH", key.box(name), staying[i])\n`, ""),
  plant(
    "a claim does not tell the revision",
    `redis.call("HGET", key.agent(agent), "revision") or "0"\n      end\n      local ranked`,
    `"0"\n      end\n      local ranked`
  ),
  plant(
    "a message counts on any state",
    "elseif act and not is_of_this_state(",
    "elseif act and false and not is_of_this_state("
  ),
  plant("what was refused is not handled again", "      refused[#refused + 1] = entry\n", ""),
  plant("a turn knows only the state before it", "    revisions[agent] = entry\n    written", "    written"),
  plant(
    "a change of a timer is no change of the state",
    `if state ~= "" or timers ~= "" then`,
    `if state ~= "" then`
  ),
  plant(
    "the last state of a turn is not the one that stays",
    `if state ~= "" then\n      written[agent] = {`,
    `if state ~= "" and not next(written[agent]) then\n      written[agent] = {`
  ),
  plant("a timer that was set again is not cancelled", "        over[#over + 1] = earlier\n", ""),
  plant("a timer outlives its message", "elseif agent and byte(record) ~= 83 then", "elseif false then"),
  plant(
    "a timer goes with the one whose place it took",
    `redis.call("HDEL", hash, "timer:" .. name, "timerof:" .. earlier)`,
    `redis.call("HDEL", hash, "timer:" .. name)`
  ),
  plant(
    "any message ends a timer of its name",
    "      if earlier == id_of(entry) then\n",
    "      if earlier then\n"
  ),
  plant(
    "what a refused message sends is sent",
    '    if acts[ARGV[i]] then\n      redis.call("RPUSH", key.outbox',
    '    if true then\n      redis.call("RPUSH", key.outbox'
  ),
  plant("a failure does not quarantine", "if agent and has_failed(record) then", "if false then"),
  plant("a death in the middle of a script is not heeded", "  some_paused = true\n", ""),
  plant(
    "one in quarantine takes messages",
    '    if agent and is_paused(name) then\n      return { "q", agent }',
    '    if false then\n      return { "q", agent }'
  ),
  plant("one in quarantine admits messages", "if agent and is_paused(box) then", "if false then"),
  plant("a busy one admits messages", `ARGV[12] == "reject" and (`, `false and (`),
  plant(
    "what has ended keeps one busy",
    `== 1 or has_work(box))`,
    `== 1 or redis.call("EXISTS", key.box(box)) == 1)`
  ),
  plant(
    "any of those that were claimed is interrupted",
    `redis.call("ZRANGEBYSCORE", key.taken(name), 0, "+inf")`,
    `redis.call("ZREVRANGEBYSCORE", key.taken(name), "+inf", 0)`
  ),
  plant(
    "what has come back is interrupted",
    `redis.call("ZRANGEBYSCORE", key.taken(name), 0, "+inf")`,
    `redis.call("ZRANGE", key.taken(name), 0, -1)`
  ),
  plant(
    "what comes back goes before all that came back earlier",
    "abs(tonumber(other)) < rank then",
    "huge < 0 then"
  ),
  plant(
    "what is tried again has lost its rank",
    `redis.call("ZADD", key.taken(name), rank, nexts[at[k]])`,
    `redis.call("ZADD", key.taken(name), 99, nexts[at[k]])`
  ),
  plant(
    "the ranks of what has come back keep its agent busy",
    `if last[2] and tonumber(last[2]) < 0 then`,
    "if false then"
  ),
  plant("nothing is interrupted", `if ARGV[12] == "interrupt" then`, "if false then"),
  plant(
    "a resume leaves the quarantine",
    `redis.call("SREM", key.pausedKeys, "~" .. address)\nif ARGV[3]`,
    "if ARGV[3]"
  ),
  plant("a resume leaves the box out of its ring", "mark_ready({ box })\nring()", "ring()"),
  plant(
    "a reset leaves the timers",
    `end_early(timers, "C", '{"type":"AgentReset"`,
    `end_early({}, "C", '{"type":"AgentReset"`
  ),
  plant(
    "a stop leaves what is handed out",
    '  ids[#ids + 1] = id_of(entry)\nend\nfor _, entry in ipairs(redis.call("LPOP"',
    'end\nfor _, entry in ipairs(redis.call("LPOP"'
  ),
  plant(
    "a stop leaves the state",
    `  redis.call("UNLINK", key.agent(address))\n  redis.call("ZREM", key.agents, address)\n  redis.call("SREM"`,
    `  redis.call("SREM"`
  )
]
