#!lua flags=allow-oom
--[[
  Drop segments and dead letters that are past retention, a bounded number at a time. A segment that parents may remember
  tasks of stays, and is to be asked about.

  KEYS[1]  base       string   the partition's key prefix
  ARGV[1]  limit      integer  segments, and dead letters, to look at at most
  ARGV[2]  retention  ms       how long a dead letter is kept
  ARGV[3]  again      ms       how soon a segment that stays is looked at again

  Returns {how many segments and dead letters were dropped, then for each segment that stays {its name, when it is looked
  at again, some parents}}.
]]
--- @include "clock"
--- @include "calls"
--- @include "segments"
--- @include "sizes"

local parents_max = 100

local now = clock()
local due = redis.call("ZRANGEBYSCORE", key.kept, "-inf", now, "LIMIT", 0, ARGV[1])
local going, stays = segments.that_may_go(due, #due)
segments.drop(going)
forget_sizes(going)
local letters = redis.call("ZRANGEBYSCORE", key.dead, "-inf", now - tonumber(ARGV[2]), "LIMIT", 0, ARGV[1])
send("ZREM", key.dead, letters)
send("HDEL", key.letters, letters)
local again = now + tonumber(ARGV[3])
local reply = { #going + #letters }
for i, segment in ipairs(stays) do
  redis.call("ZADD", key.kept, again, segment)
  segments.wait_for_parents(segment)
  reply[i + 1] = { segment, again, redis.call("SRANDMEMBER", key.parents(segment), parents_max) }
end
return reply
