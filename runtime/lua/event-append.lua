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
--- @include "watchers"

-- A stream is cut to its length at every so many events of a run, since to look whether it is to be cut costs as much as
-- to append.
local trim_every = 64

local worker, max, keep, large = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local order, batches = {}, {}
for at = 5, #ARGV, 4 do
  local entry = ARGV[at]
  local batch = batches[entry]
  if batch then
    batch[#batch + 1] = at
  else
    batches[entry] = { at }
    order[#order + 1] = entry
  end
end
local lost, told, lines, progressed = {}, {}, {}, {}
local is_watched = redis.call("HLEN", key.watched) > 0
for i, member in ipairs(ask("SMISMEMBER", key.held(worker), order)) do
  local entry = order[i]
  if member == 0 then
    lost[#lost + 1] = entry
  else
    local id, run = id_of(entry), sub(entry, 28) .. "-"
    local stream = key.events(id)
    local line, is_told = {}, is_watched
    for i, at in ipairs(batches[entry]) do
      local seq, kind, json = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
      local reply = seq % trim_every == 0
          and redis.pcall("XADD", stream, "MAXLEN", "~", max, run .. seq, kind, json)
        or redis.pcall("XADD", stream, run .. seq, kind, json)
      local is_refused = type(reply) == "table"
      if is_refused and not find(reply.err, "equal or smaller", 1, true) then
        return reply
      elseif is_refused or #json > large then
        is_told = false
      elseif is_told then
        line[i] = id .. "~" .. run .. seq .. " " .. kind .. " " .. json
      end
      if kind == "progress" and not is_refused then
        progressed[#progressed + 1] = at
      end
    end
    if is_told then
      lines[id] = #line == 1 and line[1] or table.concat(line, "\n")
    end
    redis.call("PEXPIRE", stream, keep)
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
