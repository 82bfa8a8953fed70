#!lua flags=no-writes
--[[
  List the workers of a partition.

  KEYS[1]  base  string  the partition's key prefix

  Returns {now in ms, (worker, lease deadline)*, JSON of what each says of itself or false, in the same order}.
]]
--- @include "clock"

local workers, abouts = redis.call("ZRANGE", key.workers, 0, -1, "WITHSCORES"), {}
for i = 1, #workers, 2 do
  abouts[#abouts + 1] = redis.call("HGET", key.about, workers[i])
end
return { clock(), workers, abouts }
