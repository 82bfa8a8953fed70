#!lua
--[[
  Store new tasks of which nothing is to be said but that they wait in a lane from now on: all of them, or none. One that
  comes alone while nothing waits goes to a worker that has nothing to do, if there is one.

  A call said again names the same tasks as it did before, so if the first of them is there the call has been here,
  and stores nothing. It always looks: a call whose connection was given up may still lie in the server's buffer
  and run after its own repetition. It may not run when memory is full: Redis refuses it before its first write.

  KEYS[1]  base      string   the partition's key prefix
  ARGV[1]  count     integer  how many tasks there are
  ARGV[2]  segments  integer  how many segments they belong to
  then for each of those      its name, how many of them belong to it; then for each of these  id, record
  then for each lane that gets some of them: its name, how many; then those entries

  Returns how many were stored; or what refuses them: {"d" | "a", limit}, the bound of depth, age.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "keep"
--- @include "hand"

if #ARGV < 5 or records_or_letters_of({ ARGV[5] })[1] then
  return 0
end
local count = tonumber(ARGV[1])
local bound, limit = refusal(count, {})
if bound then
  return { bound, limit }
end

-- The tasks of a segment, or of a lane, lie one after the other, so that Redis is told all of them in one go.
local at, parts = 3, {}
for _ = 1, tonumber(ARGV[2]) do
  local first, last = at + 2, at + 1 + 2 * tonumber(ARGV[at + 1])
  keep_part(ARGV[at], ARGV, first, last)
  parts[#parts + 1] = { first, last }
  at = last + 1
end
local worker = count == 1 and hand(ARGV[at + 2], ARGV[6])
if not worker then
  while at <= #ARGV do
    local first, last = at + 2, at + 1 + tonumber(ARGV[at + 1])
    send_part("RPUSH", key.lane(ARGV[at]), ARGV, first, last)
    at = last + 1
  end
  ring()
end
if listened_epoch then
  for _, part in ipairs(parts) do
    for i = part[1], part[2], 2 do
      note_life("submitted", ARGV[i], 0, ARGV[i + 1], "")
    end
  end
  if worker then
    note_start(ARGV[at + 2], ARGV[6], worker)
  end
end
return count
