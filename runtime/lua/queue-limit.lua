#!lua flags=allow-oom
--[[
  Set the bounds of a queue, all at once. It may run when memory is full: a bound on its depth may be what helps.

  KEYS[1]  base    string   the partition's key prefix
  ARGV[1]  limits  JSON     all of them, as they are told to operators
  then maxDepth, maxAgeMs, maxKeyDepth, concurrency, rateCount, rateMs, keepBytes, keepMs: a number each, "" where it is off

  Returns 1.
]]
--- @include "bell"

local names = { "maxDepth", "maxAgeMs", "maxKeyDepth", "concurrency", "rateCount", "rateMs", "keepBytes", "keepMs" }

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
-- What was held back may be allowed now.
ring()
return 1
