#!lua flags=allow-oom
--[[
  List the names of queues, and forget some that nobody has noted for long.

  KEYS[1]  base  string  the key prefix of the partition that keeps the names
  ARGV[1]  keep  ms      for how long one is listed unseen
  then names to forget, unless they were noted meanwhile

  Returns {names that were noted lately, names that were not}.
]]
--- @include "clock"

local since = clock() - tonumber(ARGV[1])
for i = 2, #ARGV do
  local noted = redis.call("ZSCORE", key.queues, ARGV[i])
  if noted and tonumber(noted) < since then
    redis.call("ZREM", key.queues, ARGV[i])
  end
end
return {
  redis.call("ZRANGEBYSCORE", key.queues, string.format("%.0f", since), "+inf"),
  redis.call("ZRANGEBYSCORE", key.queues, "-inf", "(" .. string.format("%.0f", since)),
}
