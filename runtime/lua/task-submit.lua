#!lua
--[[
  Store new tasks of which nothing is to be said but that they wait in a lane from now on: all of them, or none. One that
  comes alone while nothing waits goes to a worker that has nothing to do, if there is one.

  A call said again names the same tasks as it did before, so if the first of them is there the call has been here,
  and stores nothing. It always looks: a call whose connection was given up may still lie in the server's buffer
  and run after its own repetition. It may not run when memory is full: Redis refuses it before its first write.

  KEYS[1]  base   string   the partition's key prefix
  ARGV[1]  count  integer  how many tasks there are
  then for each of those  entry, record

  Returns how many were stored; or what refuses them: {"d" | "a", limit}, the bound of depth, age.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "keep"
--- @include "hand"

if #ARGV < 2 or records_or_letters_of({ ARGV[2] })[1] then
  return 0
end
local bound, limit = refusal(tonumber(ARGV[1]), {})
if bound then
  return { bound, limit }
end
local worker = ARGV[1] == "1" and hand(ARGV[2], ARGV[3])
for at = 2, #ARGV, 2 do
  keep(ARGV[at], ARGV[at + 1])
  if not worker then
    queue(ARGV[at])
  end
end
local stored = keep_records(writes)
for name, entries in pairs(lists) do
  send("RPUSH", key.lane(name), entries)
end
if not worker then
  ring()
end
for at = 2, listened_epoch and #ARGV or 0, 2 do
  note_life("submitted", id_of(ARGV[at]), 0, ARGV[at + 1], "")
end
if worker and listened_epoch then
  note_start(ARGV[2], ARGV[3], worker)
end
return stored
