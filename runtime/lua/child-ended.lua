#!lua flags=allow-oom
--[[
  Tell parents that children of theirs have ended. When it was the last one that a parent waits for, its next run starts; when it
  has failed, and its parent is hasty, too.

  KEYS[1]  base    string  the partition's key prefix
  then for each child
           parent  string  its parent's id in this partition
           child   string  its own whole id
           failed  0 or 1  1: it has not succeeded

  Returns 1.
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

for i = 1, #ARGV, 3 do
  child_ended(ARGV[i], ARGV[i + 1], ARGV[i + 2] == "1")
end
return 1
