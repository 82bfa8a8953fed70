#!lua flags=allow-oom
--[[
  Forget a node that has stopped.

  KEYS[1]  base  string  the key prefix of the partition that keeps the nodes
  ARGV[1]  node  string  its name

  Returns 1 when it was there, 0 when not.
]]

redis.call("HDEL", key.nodeAbout, ARGV[1])
redis.call("SREM", key.nodesDraining, ARGV[1])
return redis.call("ZREM", key.nodes, ARGV[1])
