#!lua flags=allow-oom
--[[
  Has what happens to the tasks of a partition noted for a while from now on. Repeatable: it only ever lasts longer.

  An epoch begins where nobody listened before, above every number that was given: the ids of a stream only grow, however the
  clock jumps. It may run when memory is full: those who listen then want to know why.

  KEYS[1]  base   string  the partition's key prefix
  ARGV[1]  lease  ms      how long from now; 0 to only forget a lease that is over

  Returns {epoch, how many notes of it there were, when the lease ends}; nothing for a lease of 0.
]]
--- @include "clock"

local now, lease = clock(), tonumber(ARGV[1])
local till, epoch = string.match(redis.call("HGET", key.control, "listened") or "", "^(%d+) (%d+)$")
local valid = till and tonumber(till) > now
if lease == 0 then
  if till and not valid then
    redis.call("HDEL", key.control, "listened")
  end
  return {}
end

local last = redis.call("XREVRANGE", key.lifecycle, "+", "-", "COUNT", 1)[1]
local last_epoch, last_number = string.match(last and last[1] or "", "^(%d+)%-(%d+)$")
if not valid then
  epoch = digits(math.max(now, tonumber(last_epoch or 0) + 1))
end
local ends = math.max(now + lease, valid and tonumber(till) or 0)
redis.call("HSET", key.control, "listened", digits(ends) .. " " .. epoch)
redis.call("PEXPIRE", key.lifecycle, digits(ends - now))
return { epoch, last_epoch == epoch and tonumber(last_number) + 1 or 0, ends }
