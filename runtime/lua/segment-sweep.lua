#!lua flags=allow-oom
--[[
  Drop segments and dead letters that are past retention, a bounded number at a time.

  KEYS[1]  base       string   the partition's key prefix
  ARGV[1]  limit      integer  segments, and dead letters, to drop at most
  ARGV[2]  retention  ms       how long a dead letter is kept

  Returns how many segments and dead letters were dropped.
]]
--- @include "clock"
--- @include "calls"
--- @include "sizes"

local now = clock()
local dropped = redis.call("ZRANGEBYSCORE", key.kept, "-inf", now, "LIMIT", 0, ARGV[1])
for _, segment in ipairs(dropped) do
  -- UNLINK frees in the background: 50 000 fields freed at once would hold everybody up for some 10 ms.
  redis.call("UNLINK", key.task(segment))
end
send("ZREM", key.kept, dropped)
send("ZREM", key.segments, dropped)
forget_sizes(dropped)
local letters = redis.call("ZRANGEBYSCORE", key.dead, "-inf", now - tonumber(ARGV[2]), "LIMIT", 0, ARGV[1])
send("ZREM", key.dead, letters)
send("HDEL", key.letters, letters)
return #dropped + #letters
