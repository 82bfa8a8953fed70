#!lua flags=no-writes
--[[
  Read how a queue stands: what operators set, and its oldest waiting task.

  That is looked for at the heads of its mailboxes, of a hundred boxes in the ring without limits and some hundred others.
  An entry that was left behind when its task ended is passed over, a bounded number of times.

  KEYS[1]  base  string  the partition's key prefix

  Returns {"1" when it is paused, its bounds as JSON, the id of its oldest waiting task, its paused keys}, with false for
  what is not there.
]]
--- @include "calls"
--- @include "records"

local heads_max, boxes_max, checked_max = 5, 100, 20

local entries, seen = {}, {}
local function add(list)
  for _, entry in ipairs(list) do
    entries[#entries + 1] = entry
  end
end
local function add_box(name)
  if not seen[name] then
    seen[name] = true
    add(redis.call("LRANGE", key.box(name), 0, 0))
  end
end

for _, lane in ipairs(lanes) do
  add(redis.call("LRANGE", key.lane(lane), 0, heads_max - 1))
end
add(redis.call("LRANGE", key.suspects, 0, heads_max - 1))
for _, name in ipairs(redis.call("LRANGE", key.ready(""), 0, boxes_max - 1)) do
  add_box(name)
end
local fields = redis.call("HSCAN", key.boxes, "0", "COUNT", boxes_max)[2]
for i = 1, #fields, 2 do
  add_box(fields[i])
end

table.sort(entries)
local oldest = false
for i = 1, math.min(#entries, checked_max) do
  if is_current(records_of({ entries[i] })[1], entries[i]) then
    oldest = id_of(entries[i])
    break
  end
end
local control = redis.call("HMGET", key.control, "paused", "limits")
return { control[1], control[2], oldest, redis.call("SMEMBERS", key.pausedKeys) }
