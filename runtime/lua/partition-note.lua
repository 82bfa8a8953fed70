#!lua flags=allow-oom
--[[
  Keep the name of a queue for those who list them.

  KEYS[1]  base       string  the key prefix of the partition that keeps the names
  ARGV[1]  partition  string  the queue's
  ARGV[2]  keep       ms      how long the names outlive the last time that one of them was noted

  Returns 1.
]]
--- @include "clock"

redis.call("ZADD", key.queues, clock(), ARGV[1])
redis.call("PEXPIRE", key.queues, ARGV[2])
return 1
