#!lua flags=allow-oom
--[[
  Cancel tasks that wait, a bounded number at a time, one shelf after the other. It may run when memory is full: it is
  what frees it.

  KEYS[1]  base       string   the partition's key prefix
  ARGV[1]  shelf      string   "lanes" | "suspects" | "boxes" | "later"
  ARGV[2]  from       string   where to go on: a group of boxes, or how many alarms come first in `later`; "0" at first
  ARGV[3]  most       integer  entries to look at, at most
  ARGV[4]  error      JSON     why, as it is kept with the tasks
  ARGV[5]  retention  ms       how long outcomes and streams are kept

  Returns {how many were cancelled, where to go on, or "" when the shelf is done}.
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

local boxes_at_once = 20

local shelf, from, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local entries, next_from = {}, ""
-- What comes after the page of `later` that is looked at, as far as it was looked at.
local after, more_after = {}, false

local function take(popped)
  for _, entry in ipairs(popped) do
    entries[#entries + 1] = entry
  end
end

if shelf == "lanes" then
  local arguments = { "LMPOP", #lanes }
  for _, lane in ipairs(lanes) do
    arguments[#arguments + 1] = key.lane(lane)
  end
  arguments[#arguments + 1] = "LEFT"
  arguments[#arguments + 1] = "COUNT"
  local last = #arguments + 1
  while #entries < most do
    arguments[last] = most - #entries
    local popped = redis.call(unpack(arguments))
    if not popped then
      break
    end
    take(popped[2])
  end
  next_from = #entries == most and "0" or ""
elseif shelf == "suspects" then
  take(redis.call("LPOP", key.suspects, most) or {})
  next_from = #entries == most and "0" or ""
elseif shelf == "boxes" then
  local group = redis.call("HSCAN", key.boxes, from, "COUNT", boxes_at_once)
  next_from = group[1] == "0" and "" or group[1]
  local names = {}
  for i = 1, #group[2], 2 do
    names[#names + 1] = group[2][i]
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if #entries == most then
      break
    end
    take(redis.call("LPOP", key.box(name), most - #entries) or {})
  end
  -- More of this group may be left.
  next_from = #entries == most and from or next_from
else
  local pages = redis.call("ZRANGE", key.later, from, from + 2 * most - 1)
  more_after = #pages == 2 * most
  for i, member in ipairs(pages) do
    local sign = byte(member)
    if i > most then
      after[#after + 1] = member
    elseif sign ~= 33 and sign ~= 35 then
      entries[#entries + 1] = member
    end
  end
  send("ZREM", key.later, entries)
end

local now, ids, outcomes = clock(), {}, {}
for i, record in ipairs(records_of(entries)) do
  if is_current(record, entries[i]) then
    local head, json = string.match(record, "^Q(%a%d+%.[^{]+)(.*)$")
    ids[#ids + 1] = id_of(entries[i])
    without_run[ids[#ids]] = true
    outcomes[#outcomes + 1] = "C" .. head .. '{"task":' .. json .. ',"worker":"","finishedAt":' .. digits(now)
      .. ',"error":' .. ARGV[4] .. "}"
  end
end
if #ids > 0 then
  finish(ids, outcomes, now, tonumber(ARGV[5]))
  count_ends("C", #ids, now)
end
-- Alarms of what was cancelled have gone from before and after the page: where to go on is only known now.
for _, member in ipairs(after) do
  local rank = redis.call("ZRANK", key.later, member)
  if rank then
    return { #ids, digits(rank) }
  end
end
return { #ids, more_after and from or next_from }
