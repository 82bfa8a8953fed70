#!lua flags=allow-oom
--[[
  Parents have ended, and remember none of the tasks of a segment any more. It is dropped if no other may remember tasks of it,
  unless something came into it since it was swept. It may be said again.

  KEYS[1]  base     string   the partition's key prefix
  ARGV[1]  segment  string
  ARGV[2]  again    ms       when it was to be looked at again, as the sweep has said
  then the whole ids of parents that have ended

  Returns 1 when it was dropped, 0 when it stays or was not there. One that stays for other parents is looked at by the next sweep.
]]
--- @include "clock"
--- @include "calls"
--- @include "segments"
--- @include "sizes"

local segment = ARGV[1]
local is_as_swept = redis.call("ZSCORE", key.kept, segment) == ARGV[2]
send_part("SREM", key.parents(segment), ARGV, 3, #ARGV)
if not is_as_swept then
  return 0
end
if segments.is_remembered(segment) then
  redis.call("ZADD", key.kept, clock(), segment)
  return 0
end
segments.drop({ segment })
forget_sizes({ segment })
return 1
