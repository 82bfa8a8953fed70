#!lua flags=allow-oom
--[[
  Stop the hints that a reply channel asked for.

  KEYS[1]  base     string  the partition's key prefix
  ARGV[1]  channel  string  the reply channel
  then ids

  Returns nothing.
]]
--- @include "calls"

local ids = {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
for i, names in ipairs(ask("HMGET", key.watched, ids)) do
  if names then
    local kept = {}
    for name in string.gmatch(names, "%S+") do
      if name ~= ARGV[1] then
        kept[#kept + 1] = name
      end
    end
    if #kept == 0 then
      redis.call("HDEL", key.watched, ids[i])
    else
      redis.call("HSET", key.watched, ids[i], table.concat(kept, " "))
    end
  end
end
