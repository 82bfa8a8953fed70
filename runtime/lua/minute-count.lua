#!lua flags=allow-oom
--[[
  Add to the counters of the current minute. It may run when memory is full: its names are few, and go by themselves.

  KEYS[1]  base  string  the partition's key prefix
  ARGV[1]  keep  ms      how long a minute is kept from its first count on
  then counter, count

  Returns 1.
]]
--- @include "clock"

for i = 3, #ARGV, 2 do
  if not string.match(ARGV[i], "^%-?%d+$") then
    return redis.error_reply("ERR " .. ARGV[i - 1] .. ": " .. ARGV[i] .. " is no whole number")
  end
end
local stat = key.stat(digits(math.floor(clock() / 60000)))
local is_first = redis.call("EXISTS", stat) == 0
for i = 2, #ARGV, 2 do
  redis.call("HINCRBY", stat, ARGV[i], ARGV[i + 1])
end
if is_first then
  redis.call("PEXPIRE", stat, ARGV[1])
end
return 1
