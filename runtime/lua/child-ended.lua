#!lua flags=allow-oom
--[[
  Tell a parent that a child has ended. When it was the last one the parent waits for, its next run starts.

  KEYS[1]  base    string  the partition's key prefix
  ARGV[1]  parent  string  its id in this partition
  ARGV[2]  child   string  the child's whole id

  Returns 1.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "finish"

child_ended(ARGV[1], ARGV[2])
return 1
