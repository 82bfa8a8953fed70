#!lua
--[[
  Note what an operator has done.

  KEYS[1]  base   string   the key prefix of the partition of access
  ARGV[1]  entry  string   JSON
  ARGV[2]  most   integer  how many entries are kept, about
  ARGV[3]  keep   ms       how long the log outlives its newest entry

  Returns the entry's id.
]]
--- @include "clock"

local id = redis.call("XADD", key.audit, "MAXLEN", "~", ARGV[2], "*", "e", ARGV[1])
redis.call("PEXPIRE", key.audit, ARGV[3])
return id
