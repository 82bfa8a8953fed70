#!lua
--[[
  Keep what a ticket stands for.

  KEYS[1]  base    string  the key prefix of the partition of access
  ARGV[1]  digest  string  of the ticket
  ARGV[2]  text    string  what it stands for
  ARGV[3]  keep    ms      for how long

  Returns 1.
]]
--- @include "clock"

redis.call("SET", key.ticket(ARGV[1]), ARGV[2])
redis.call("PEXPIRE", key.ticket(ARGV[1]), ARGV[3])
return 1
