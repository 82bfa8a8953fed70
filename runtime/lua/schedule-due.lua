#!lua flags=allow-oom
--[[
  Read the schedules that are to be looked at by now, the longest overdue first. Writes nothing.

  KEYS[1]  base  string   the key prefix of the schedules' partition
  ARGV[1]  skip  integer  how many of them are left out
  ARGV[2]  most  integer  how many are given at most

  Returns {now, when the first that is not due will be or "", whether the outbox has messages, id, stored, ..}
]]
--- @include "clock"
--- @include "calls"

local now = clock()
local ids = redis.call("ZRANGEBYSCORE", key.scheduleTimes, "-inf", digits(now), "LIMIT", ARGV[1], ARGV[2])
local later = redis.call("ZRANGEBYSCORE", key.scheduleTimes, "(" .. digits(now), "+inf", "WITHSCORES", "LIMIT", 0, 1)
local reply = { digits(now), later[2] or "", redis.call("EXISTS", key.outbox) }
if #ids > 0 then
  for i, stored in ipairs(ask("HMGET", key.schedules, ids)) do
    reply[#reply + 1] = ids[i]
    reply[#reply + 1] = stored
  end
end
return reply
