#!lua
--[[
  Store new tasks and put them where they wait: all of them, or none.

  A call said again names the same tasks as it did before, so if the first of them is there the call has been here,
  and stores nothing. It always looks: a call whose connection was given up may still lie in the server's buffer
  and run after its own repetition. It may not run when memory is full: Redis refuses it before its first write.

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

if #ARGV < 2 or records_or_letters_of({ ARGV[2] })[1] then
  return 0
end

-- Tasks of one submit mostly share a segment and a lane: what is gathered for both goes on until it changes.
local lists, writes = {}, {}
local segment, write, size, lane, list, length

local function keep(entry, record)
  if not segment or find(entry, segment, 1, true) ~= 1 then
    segment = sub(entry, 1, 8)
    writes[segment] = writes[segment] or {}
    write = writes[segment]
    size = #write
  end
  write[size + 1] = sub(entry, 1, 26)
  write[size + 2] = record
  size = size + 2
end

local first_due = 2 + tonumber(ARGV[1]) * 2
for at = 2, first_due - 1, 2 do
  local entry = ARGV[at]
  keep(entry, ARGV[at + 1])
  local letter = byte(entry, 27)
  if letter ~= lane then
    lane = letter
    local name = lane_of_entry(entry)
    lists[name] = lists[name] or {}
    list = lists[name]
    length = #list
  end
  length = length + 1
  list[length] = entry
end

local later, now = {}, first_due <= #ARGV and clock()
for at = first_due, #ARGV, 3 do
  local entry, due = ARGV[at], ARGV[at + 1]
  keep(entry, ARGV[at + 2])
  later[#later + 1] = sub(due, 1, 1) == "+" and now + tonumber(due) or tonumber(due)
  later[#later + 1] = entry
end

local stored = 0
for name, fields in pairs(writes) do
  local count = #fields / 2
  stored = stored + count
  send("HSET", key.task(name), fields)
  if redis.call("HINCRBY", key.live, name, count) == count then
    redis.call("PERSIST", key.task(name))
    redis.call("ZREM", key.kept, name)
  end
end
for name, entries in pairs(lists) do
  send("RPUSH", key.lane(name), entries)
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
