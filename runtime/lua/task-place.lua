#!lua
--[[
  Store new tasks of which more is to be said than that they wait in a lane, and others with them: all of them, or none.
  Tasks of which nothing is to be said go by `task-submit`, which is shorter.

  A call said again names the same tasks as it did before, so if the first of them is there the call has been here,
  and stores nothing. It always looks: a call whose connection was given up may still lie in the server's buffer
  and run after its own repetition. It may not run when memory is full: Redis refuses it before its first write.

  KEYS[1]  base   string   the partition's key prefix
  ARGV[1]  owed   0 | 1    1: they were acknowledged before, so no bound refuses them
  ARGV[2]  plain  integer  how many tasks wait in lanes from now on and have nothing more to be said of them
  then for each of those  entry, record
  then for each other     entry, record, due ("" for at once, a Unix time in ms, or +<delay in ms>), box or "", its
                          limit, "o" when it is ordered, parent or "", expiry and deadline in Unix ms or "", "c" when
                          its end is to be told to a URL or ""

  Returns how many were stored; or what refuses them: {"d" | "a" | "k", limit}, the bound of depth, age, a key's depth;
  or {"q", address} of an agent in quarantine.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "keep"
--- @include "ties"

if #ARGV < 3 or records_or_letters_of({ ARGV[3] })[1] then
  return 0
end

local first_other, fields_of_other = 3 + tonumber(ARGV[2]) * 2, 10
local count, added, boxes, now = tonumber(ARGV[2]), {}, {}, clock()
for at = first_other, #ARGV, fields_of_other do
  count = count + 1
  local box = ARGV[at + 3]
  if box ~= "" then
    boxes[#boxes + 1] = box
    added[box] = (added[box] or 0) + 1
  end
end
if ARGV[1] == "0" then
  local bound, limit = refusal(count, added)
  if bound then
    return { bound, limit }
  end
  for _, name in ipairs(boxes) do
    local agent = agent_of(name)
    if agent and is_paused(name) then
      return { "q", agent }
    end
  end
end

for at = 3, first_other - 1, 2 do
  keep(ARGV[at], ARGV[at + 1])
  queue(ARGV[at])
end

local before = first_other <= #ARGV and redis.call("ZRANGE", key.later, 0, 0)[1]
local later, boxed, order = {}, {}, {}
for at = first_other, #ARGV, fields_of_other do
  local entry, due, box = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  keep(entry, ARGV[at + 1])
  keep_ties(
    sub(entry, 1, 26), box, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8], ARGV[at + 9])
  if box ~= "" then
    set_box(box, ARGV[at + 4], ARGV[at + 5])
  end
  if due ~= "" then
    later[#later + 1] = sub(due, 1, 1) == "+" and now + tonumber(due) or tonumber(due)
    later[#later + 1] = entry
  elseif box ~= "" then
    if not boxed[box] then
      boxed[box] = {}
      order[#order + 1] = box
    end
    table.insert(boxed[box], entry)
  else
    queue(entry)
  end
end

local stored = keep_records(writes)
for name, entries in pairs(lists) do
  send("RPUSH", key.lane(name), entries)
end
store_ties()
for _, name in ipairs(order) do
  send("RPUSH", key.box(name), boxed[name])
end
mark_ready(order)
send("ZADD", key.later, later)
-- Idle workers sleep until the next due time they know of: one must hear of an earlier one, an alarm included.
local sooner = first_other <= #ARGV and redis.call("ZRANGE", key.later, 0, 0)[1] ~= before
if sooner or next(lists) or next(boxed) then
  ring()
end
if is_listened() then
  for at = 3, first_other - 1, 2 do
    note_life("submitted", id_of(ARGV[at]), 0, ARGV[at + 1], "")
  end
  for at = first_other, #ARGV, fields_of_other do
    note_life(ARGV[at + 2] == "" and "submitted" or "scheduled", id_of(ARGV[at]), 0, ARGV[at + 1], "")
  end
end
return stored
