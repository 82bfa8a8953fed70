#!lua flags=allow-oom
--[[
  End a living task as cancelled, wherever it is. Whoever runs it is told to stop.

  KEYS[1]  base       string  the partition's key prefix
  ARGV[1]  id         string
  ARGV[2]  error      JSON    why, as it is kept with the task
  ARGV[3]  retention  ms      how long outcomes and streams are kept
  ARGV[4]  orphan     ms      for how long it is ended when it is stored, should it not be there; 0

  Returns 0 when there is no such task, its record when it had ended before, or the ids of its living children.
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

local record = records_or_letters_of({ ARGV[1] })[1]
if not record then
  if ARGV[4] ~= "0" then
    redis.call("SET", key.orphan(ARGV[1]), ARGV[3] .. " " .. ARGV[2])
    redis.call("PEXPIRE", key.orphan(ARGV[1]), ARGV[4])
  end
  return 0
elseif byte(record) ~= 81 then
  return record
end
local children = redis.call("SMEMBERS", key.children(ARGV[1]))
end_early({ ARGV[1] }, "C", ARGV[2], clock(), tonumber(ARGV[3]))
return children
