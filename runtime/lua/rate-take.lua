#!lua flags=allow-oom
--[[
  Take tokens from a bucket that fills evenly, if it has as many.

  KEYS[1]  base    string   the key prefix of the partition of access
  ARGV[1]  name    string   the bucket's
  ARGV[2]  tokens  integer  how many
  ARGV[3]  limit   integer  how many it holds
  ARGV[4]  refill  ms       how long one more takes; may have a fraction
  ARGV[5]  over    0 or 1   whether it may go below none

  Returns how many are left, below none when they were not given, and the time since it last grew, both as text.
]]
--- @include "clock"

local bucket, now = key.rate(ARGV[1]), clock()
local tokens, limit, refill = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local left, grown = unpack(redis.call("HMGET", bucket, "left", "grown"))
left, grown = math.min(tonumber(left) or limit, limit), tonumber(grown) or now
-- A clock that went back costs nobody what it has.
grown = math.min(grown, now)
local more = math.floor((now - grown) / refill)
left, grown = math.min(left + more, limit), grown + more * refill
if left >= limit then
  grown = now
end
local next = left - tokens
if next >= 0 or ARGV[5] == "1" then
  left = next
end
redis.call("HSET", bucket, "left", string.format("%.17g", left), "grown", string.format("%.17g", grown))
redis.call("PEXPIRE", bucket, math.max(1, math.ceil((limit - left) * refill - (now - grown))))
return { string.format("%.17g", next), string.format("%.17g", now - grown) }
