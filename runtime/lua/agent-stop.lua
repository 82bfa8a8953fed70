#!lua flags=allow-oom
--[[
  End an agent, a piece of its mailbox at a time: what runs is interrupted, what waits is cancelled, timers and state are
  forgotten. It may run when memory is full: it frees some. Between the pieces the agent is in quarantine.

  KEYS[1]  base       string  the partition's key prefix
  ARGV[1]  address    string  the agent's
  ARGV[2]  box        string  where its messages wait
  ARGV[3]  error      JSON    why, as it is kept with the messages
  ARGV[4]  retention  ms      how long outcomes and streams are kept

  Returns how many messages were cancelled, and 1 when more are left.
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

local messages_at_once = 200

local address, box = ARGV[1], ARGV[2]
local now, ids = clock(), {}
for _, entry in ipairs(redis.call("ZRANGEBYSCORE", key.taken(box), 0, "+inf")) do
  ids[#ids + 1] = id_of(entry)
end
for _, entry in ipairs(redis.call("LPOP", key.box(box), messages_at_once) or {}) do
  ids[#ids + 1] = id_of(entry)
end
local left = redis.call("EXISTS", key.box(box))
if left == 0 then
  for _, id in ipairs(timers_of(address)) do
    ids[#ids + 1] = id
  end
  redis.call("UNLINK", key.agent(address))
  redis.call("ZREM", key.agents, address)
  redis.call("SREM", key.pausedKeys, "~" .. address)
else
  -- Until the last piece nothing more of it is handed out, or let in; where that never comes, somebody is to see it.
  redis.call("SADD", key.pausedKeys, "~" .. address)
  redis.call("HSETNX", key.agent(address), "quarantined", digits(now) .. " ")
  redis.call("ZADD", key.agents, 0, address)
end
some_paused = nil
local ended = end_early(ids, "C", ARGV[3], now, tonumber(ARGV[4]))
mark_ready({ box })
return { #ended, left }
