#!lua flags=allow-oom
--[[
  Give up a worker's lease at once, so that the next turn of anybody reaps it; or, when it leaves and holds
  nothing, end its registration.

  KEYS[1]  base    string  the partition's key prefix
  ARGV[1]  worker  string  the worker incarnation
  ARGV[2]  leave   0 | 1   1: it leaves of its own will

  Returns 1 when it was registered, 0 when not.
]]
--- @include "bell"

if not redis.call("ZSCORE", key.workers, ARGV[1]) then
  return 0
end
redis.call("ZREM", key.standby, ARGV[1])
if ARGV[2] == "1" and redis.call("EXISTS", key.held(ARGV[1])) == 0 then
  redis.call("ZREM", key.workers, ARGV[1])
  redis.call("HDEL", key.about, ARGV[1])
else
  redis.call("ZADD", key.workers, 0, ARGV[1])
  ring()
end
return 1
