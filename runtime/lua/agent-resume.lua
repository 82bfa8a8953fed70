#!lua flags=allow-oom
--[[
  Let a quarantined agent go on with the next of its messages; with a reset, from the state it had at first. It may run when
  memory is full: it frees some.

  KEYS[1]  base       string  the partition's key prefix
  ARGV[1]  address    string  the agent's
  ARGV[2]  box        string  where its messages wait
  ARGV[3]  reset      0 | 1   1: forget its state and its timers, too
  ARGV[4]  retention  ms      how long outcomes and streams are kept

  Returns 1, or 0 when there is no such agent.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "segments"
--- @include "finish"
--- @include "end-early"
--- @include "timers"

local address, box, agent = ARGV[1], ARGV[2], key.agent(ARGV[1])
local known = redis.call("EXISTS", agent, key.box(box), key.taken(box)) > 0
redis.call("SREM", key.pausedKeys, "~" .. address)
if ARGV[3] == "1" then
  local timers = timers_of(address)
  redis.call("UNLINK", agent)
  redis.call("ZREM", key.agents, address)
  end_early(timers, "C", '{"type":"AgentReset","message":"its agent was reset"}', clock(), tonumber(ARGV[4]))
else
  redis.call("HDEL", agent, "quarantined", "failures")
  if redis.call("EXISTS", agent) == 0 then
    redis.call("ZREM", key.agents, address)
  end
end
mark_ready({ box })
ring()
return known and 1 or 0
