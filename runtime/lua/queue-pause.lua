#!lua flags=allow-oom
--[[
  Hand out nothing, or again: of a whole queue, or of one key. It may run when memory is full: a pause is one name.

  A claim takes the boxes of a paused key out of their rings, so a resume puts back those that have work, a group at a
  time. A box that comes into being meanwhile finds its key resumed.

  KEYS[1]  base    string  the partition's key prefix
  ARGV[1]  paused  0 | 1   1: hand out nothing
  ARGV[2]  keyed   0 | 1   1: of one key only
  ARGV[3]  key     string  that key
  ARGV[4]  group   string  where the boxes are gone on with; "0" at first

  Returns where to go on; "0" when all is done.
]]
--- @include "calls"
--- @include "records"
--- @include "bell"
--- @include "boxes"

local boxes_at_once = 500

if ARGV[2] == "0" then
  if ARGV[1] == "1" then
    redis.call("HSET", key.control, "paused", "1")
  else
    redis.call("HDEL", key.control, "paused")
    ring()
  end
  return "0"
end

if ARGV[1] == "1" then
  redis.call("SADD", key.pausedKeys, ARGV[3])
  return "0"
end

redis.call("SREM", key.pausedKeys, ARGV[3])
local pattern = "*|" .. string.gsub(ARGV[3], "[%*%?%[%]\\]", "\\%0")
local group = redis.call("HSCAN", key.boxes, ARGV[4], "MATCH", pattern, "COUNT", boxes_at_once)
-- Some may be of another key that ends alike: it does them no harm.
local names, seen = {}, {}
for i = 1, #group[2], 2 do
  -- One of a group may be named twice while the hash grows.
  if not seen[group[2][i]] then
    seen[group[2][i]] = true
    names[#names + 1] = group[2][i]
  end
end
mark_ready(names)
ring()
return group[1]
