#!lua flags=allow-oom
--[[
  Renew the lease of a worker in its place, as its node does while its event loop is blocked. One that was evicted, or
  reaped, stays so.

  KEYS[1]  base    string  the partition's key prefix
  ARGV[1]  worker  string  the worker incarnation
  ARGV[2]  lease   ms      how long its claims stay its own from now

  Returns 1 when it is registered, 0 when it is not; then nothing was written.
]]
--- @include "clock"

local deadline = redis.call("ZSCORE", key.workers, ARGV[1])
if not deadline or tonumber(deadline) == 0 then
  return 0
end
redis.call("ZADD", key.workers, clock() + tonumber(ARGV[2]), ARGV[1])
return 1
