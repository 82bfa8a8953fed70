#!lua flags=no-writes
--[[
  Read the counters of the last minutes.

  KEYS[1]  base  string   the partition's key prefix
  ARGV[1]  last  integer  how many minutes, the current one included

  Returns the current minute, in minutes since 1970, then for each minute, oldest first, its counters and counts.
]]
--- @include "clock"

local minute, replies = math.floor(clock() / 60000), {}
replies[1] = minute
for back = tonumber(ARGV[1]) - 1, 0, -1 do
  replies[#replies + 1] = redis.call("HGETALL", key.stat(digits(minute - back)))
end
return replies
