#!lua flags=allow-oom
--[[
  Renew the lease on permits, one that ran out as well unless somebody has judged it since. One that is not out any more is
  passed over.

  KEYS[1]  base   string  the key prefix of the limits' partition
  ARGV[1]  lease  ms      how long they last from now
  then     name, how many, and as many of  permit   for each limit
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local now, term, at = clock(), tonumber(ARGV[1]), 2
while at < #ARGV do
  local name, permits, renewed = ARGV[at], {}, {}
  for i = 1, tonumber(ARGV[at + 1]) do
    permits[i] = ARGV[at + 1 + i]
  end
  at = at + 2 + #permits
  for k, i in ipairs(out_of(name, permits)) do
    renewed[k] = permits[i]
  end
  lease(name, renewed, now + term, now)
end
return 0
