#!lua flags=allow-oom
--[[
  Set the bounds of a queue, all at once. It may run when memory is full: a bound on its depth may be what helps.

  Tasks that have not ended are counted only where their number is bounded: the count begins here, from what each segment
  knows of its own, and submits and ends keep it up to date.

  KEYS[1]  base    string   the partition's key prefix
  ARGV[1]  limits  JSON     all of them, as they are told to operators
  then maxDepth, maxAgeMs, maxKeyDepth, concurrency, rateCount, rateMs, keepBytes: a number each, "" where it is off

  Returns 1.
]]
--- @include "bell"

local names = { "maxDepth", "maxAgeMs", "maxKeyDepth", "concurrency", "rateCount", "rateMs", "keepBytes" }

redis.call("HDEL", key.control, "limits", unpack(names))
local some = false
for i, name in ipairs(names) do
  if ARGV[i + 1] ~= "" then
    redis.call("HSET", key.control, name, ARGV[i + 1])
    some = true
  end
end
if some then
  redis.call("HSET", key.control, "limits", ARGV[1])
end
if ARGV[6] == "" then
  redis.call("HDEL", key.control, "rateUsed")
end
if ARGV[2] == "" then
  redis.call("HDEL", key.control, "living")
elseif redis.call("HEXISTS", key.control, "living") == 0 then
  local living = 0
  for _, count in ipairs(redis.call("HVALS", key.live)) do
    living = living + count
  end
  redis.call("HSET", key.control, "living", living)
end
-- What was held back may be allowed now.
ring()
return 1
