#!lua flags=allow-oom
--[[
  Take what a ticket stands for: it is there once.

  KEYS[1]  base    string  the key prefix of the partition of access
  ARGV[1]  digest  string  of the ticket

  Returns its text, or nil.
]]

return redis.call("GETDEL", key.ticket(ARGV[1]))
