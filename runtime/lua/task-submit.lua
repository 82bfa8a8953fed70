#!lua
--[[
  Store new tasks and put them where they wait: all of them, or none.

  What is already there is left alone. It always looks: a call whose connection was given up may still lie in the
  server's buffer and run after its own repetition.

  It has no flags, so Redis refuses it with OOM before its first write once maxmemory is reached.

  KEYS[1]  base     string   the partition's key prefix
  ARGV[1]  at once  integer  how many tasks are due at once
  then for each of those  entry, record
  then for each other     entry, due (a Unix time in ms, or +<delay in ms>), record

  Returns how many were stored.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "bell"

local at_once = tonumber(ARGV[1])
local entries, records, dues = {}, {}, {}
for i = 1, at_once do
  entries[i] = ARGV[i * 2]
  records[i] = ARGV[1 + i * 2]
end
for at = 2 + at_once * 2, #ARGV, 3 do
  entries[#entries + 1] = ARGV[at]
  dues[#entries] = ARGV[at + 1]
  records[#records + 1] = ARGV[at + 2]
end

local there = records_or_letters_of(entries)
local lists, later, stored = {}, {}, 0
local now = next(dues) and clock()
for segment, positions in pairs(by_segment(entries)) do
  local write = {}
  for _, i in ipairs(positions) do
    if not there[i] then
      write[#write + 1] = id_of(entries[i])
      write[#write + 1] = records[i]
    end
  end
  if #write > 0 then
    local count = #write / 2
    stored = stored + count
    send("HSET", key.task(segment), write)
    if redis.call("HINCRBY", key.live, segment, count) == count then
      redis.call("PERSIST", key.task(segment))
      redis.call("ZREM", key.kept, segment)
    end
  end
end
for i, entry in ipairs(entries) do
  if not there[i] then
    if dues[i] then
      local due = tonumber(dues[i])
      later[#later + 1] = string.sub(dues[i], 1, 1) == "+" and now + due or due
      later[#later + 1] = entry
    else
      local lane = lane_of_entry(entry)
      lists[lane] = lists[lane] or {}
      lists[lane][#lists[lane] + 1] = entry
    end
  end
end
for lane, list in pairs(lists) do
  send("RPUSH", key.lane(lane), list)
end
if #later > 0 then
  local before = redis.call("ZRANGE", key.later, 0, 0)[1]
  send("ZADD", key.later, later)
  -- Idle workers sleep until the next due time they know of: one must hear of an earlier one.
  if redis.call("ZRANGE", key.later, 0, 0)[1] ~= before then
    ring()
  end
end
if next(lists) then
  ring()
end
return stored
