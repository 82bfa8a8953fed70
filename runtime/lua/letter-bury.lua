#!lua flags=allow-oom
--[[
  Drop dead letters with their streams.

  KEYS[1]  base  string  the partition's key prefix
  ARGV     ids

  Returns how many there were.
]]
--- @include "calls"

local buried = 0
for _, id in ipairs(ARGV) do
  if redis.call("ZREM", key.dead, id) == 1 then
    buried = buried + 1
    redis.call("UNLINK", key.events(id))
  end
end
send("HDEL", key.letters, ARGV)
return buried
