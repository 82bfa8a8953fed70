#!lua flags=allow-oom
--[[
  Read one schedule and the notes of what became of its last slots. Writes nothing.

  KEYS[1]  base  string  the key prefix of the schedules' partition
  ARGV[1]  id    string  the schedule's

  Returns {now, stored or false, notes, newest first}.
]]
--- @include "clock"

local stored = redis.call("HGET", key.schedules, ARGV[1])
return { digits(clock()), stored, redis.call("LRANGE", key.slots(ARGV[1]), 0, -1) }
