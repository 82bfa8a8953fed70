#!lua
--[[
  Append events to the streams of tasks that a worker runs.

  A stream id is `<run>-<seq>`, so an event that is already there cannot be stored twice: Redis refuses an id that
  is not above the last, and that refusal means an earlier call already won.

  KEYS[1]  base    string   the partition's key prefix
  ARGV[1]  worker  string   the worker incarnation
  ARGV[2]  max     integer  events kept per task, about
  ARGV[3]  keep    ms       how long a stream outlives its last event while its task lives
  ARGV[4]  large   bytes    a task's events are told to those who watch if none is longer
  then     entry, seq, kind, JSON   for each event, in order per task

  Returns the entries this worker does not hold; nothing of theirs was written.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "finish"

local order, batches = {}, {}
for at = 5, #ARGV, 4 do
  local entry = ARGV[at]
  if not batches[entry] then
    batches[entry] = {}
    order[#order + 1] = entry
  end
  table.insert(batches[entry], at)
end
local lost, told, lines, progressed = {}, {}, {}, {}
local large = tonumber(ARGV[4])
for i, member in ipairs(ask("SMISMEMBER", key.held(ARGV[1]), order)) do
  local entry = order[i]
  if member == 0 then
    lost[#lost + 1] = entry
  else
    local id, run = id_of(entry), run_of(entry)
    local stream = key.events(id)
    local line, is_told = {}, true
    for i, at in ipairs(batches[entry]) do
      local reply = redis.pcall(
        "XADD", stream, "MAXLEN", "~", ARGV[2], run .. "-" .. ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
      if type(reply) == "table" and reply.err and not string.find(reply.err, "equal or smaller", 1, true) then
        return reply
      elseif type(reply) == "table" or #ARGV[at + 3] > large then
        is_told = false
      else
        line[i] = id .. "~" .. run .. "-" .. ARGV[at + 1] .. " " .. ARGV[at + 2] .. " " .. ARGV[at + 3]
      end
      if ARGV[at + 2] == "progress" and type(reply) ~= "table" then
        progressed[#progressed + 1] = at
      end
    end
    lines[id] = is_told and table.concat(line, "\n") or nil
    redis.call("PEXPIRE", stream, ARGV[3])
    told[#told + 1] = id
  end
end
if #progressed > 0 and is_listened() then
  local entries = {}
  for i, at in ipairs(progressed) do
    entries[i] = ARGV[at]
  end
  for i, record in ipairs(records_of(entries)) do
    note_life("progress", id_of(entries[i]), run_of(entries[i]), record or "", ARGV[progressed[i] + 3])
  end
end
tell_watchers(told, false, lines)
return lost
