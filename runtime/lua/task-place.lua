#!lua
--[[
  Store new tasks of which more is to be said than that they wait in a lane, and others with them: all of them, or none.
  Tasks of which nothing is to be said go by `task-submit`, which is shorter.

  A call said again names the same tasks as it did before, so if the first of them is there the call has been here,
  and stores nothing. It always looks: a call whose connection was given up may still lie in the server's buffer
  and run after its own repetition. What is owed may be carried by several at once, and a child is submitted again by a
  later run of its parent, each with others beside it than before: so in a call of such each is looked for by itself. It may not run when memory is full: Redis refuses it before its first write.

  KEYS[1]  base   string   the partition's key prefix
  ARGV[1]  owed   0 | 1    1: they were acknowledged before, so no bound refuses them
  ARGV[2]  plain  integer  how many tasks wait in lanes from now on and have nothing more to be said of them
  then for each of those  entry, record
  then for each group     of others of which the same is to be said:
                          due ("" for at once, a Unix time in ms, or +<delay in ms>), box or "", its limit, "o" when it is
                          ordered, parent or "", expiry and deadline in Unix ms or "", "c" when its end is to be told to a
                          URL or "", how many they are; then for each of those  entry, record

  Returns how many were stored; or what refuses them: {"d" | "a" | "k", limit}, the bound of depth, age, a key's depth;
  or {"q", address} of an agent in quarantine.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "segments"
--- @include "finish"
--- @include "end-early"
--- @include "keep"
--- @include "ties"
--- @include "orphans"

local first_group, fields_of_group, is_owed = 3 + tonumber(ARGV[2]) * 2, 9, ARGV[1] == "1"
local is_each = is_owed or (first_group == 3 and (ARGV[first_group + 4] or "") ~= "")
local first_entry = first_group > 3 and ARGV[3] or ARGV[first_group + fields_of_group]
if not first_entry or (not is_each and records_or_letters_of({ first_entry })[1]) then
  return 0
end

local groups, added, boxes, now = {}, {}, {}, clock()
-- Where each of those that are to be stored is among the arguments: the plain ones, and those of each group.
local function places(first, last)
  local all = {}
  for at = first, last, 2 do
    all[#all + 1] = at
  end
  if is_each and #all > 0 then
    local entries, new = {}, {}
    for i, at in ipairs(all) do
      entries[i] = ARGV[at]
    end
    for i, record in ipairs(records_or_letters_of(entries)) do
      if not record then
        new[#new + 1] = all[i]
      end
    end
    return new
  end
  return all
end
local plain = places(3, first_group - 1)
local count, at = #plain, first_group
while at <= #ARGV do
  local size, first = tonumber(ARGV[at + 8]), at + fields_of_group
  local group = places(first, first + 2 * size - 1)
  if #group > 0 then
    group.at = at
    groups[#groups + 1] = group
  end
  count = count + #group
  local box = ARGV[at + 1]
  if box ~= "" then
    boxes[#boxes + 1] = box
    added[box] = (added[box] or 0) + #group
  end
  at = first + 2 * size
end
if count == 0 then
  return 0
end
if not is_owed then
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

for _, at in ipairs(plain) do
  keep(ARGV[at], ARGV[at + 1])
  queue(ARGV[at])
end

local before = #groups > 0 and redis.call("ZRANGE", key.later, 0, 0)[1]
local later, boxed, order, children = {}, {}, {}, {}
for _, group in ipairs(groups) do
  local due, box, limit, ordered, parent, expires, deadline, callback = unpack(ARGV, group.at, group.at + 7)
  local lines, due_at, waiting = lines_of(box, limit, ordered, parent, expires, deadline, callback), nil, nil
  if box ~= "" then
    set_box(box, limit, ordered)
  end
  if due ~= "" then
    due_at = sub(due, 1, 1) == "+" and now + tonumber(due) or tonumber(due)
  elseif box ~= "" then
    waiting = boxed[box]
    if not waiting then
      waiting = {}
      boxed[box], order[#order + 1] = waiting, box
    end
  end
  for _, at in ipairs(group) do
    local entry = ARGV[at]
    keep(entry, ARGV[at + 1])
    keep_ties(sub(entry, 1, 26), lines, expires, deadline)
    if parent ~= "" then
      children[#children + 1] = sub(entry, 1, 26)
    end
    if due_at then
      later[#later + 1], later[#later + 2] = due_at, entry
    elseif waiting then
      waiting[#waiting + 1] = entry
    else
      queue(entry)
    end
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
local sooner = #groups > 0 and redis.call("ZRANGE", key.later, 0, 0)[1] ~= before
if sooner or next(lists) or next(boxed) then
  ring()
end
if is_listened() then
  for _, at in ipairs(plain) do
    note_life("submitted", id_of(ARGV[at]), 0, ARGV[at + 1], "")
  end
  for _, group in ipairs(groups) do
    for _, at in ipairs(group) do
      note_life(ARGV[group.at] == "" and "submitted" or "scheduled", id_of(ARGV[at]), 0, ARGV[at + 1], "")
    end
  end
end
end_orphans(children, now)
return stored
