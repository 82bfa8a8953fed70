#!lua flags=allow-oom
--[[
  A node says that it lives, and what it is. Nodes that have been silent for long are forgotten, a bounded number at a
  time.

  KEYS[1]  base    string  the key prefix of the partition that keeps the nodes
  ARGV[1]  node    string  its name
  ARGV[2]  lease   ms      how long it counts as living from now
  ARGV[3]  about   JSON    what it says of itself
  ARGV[4]  join    0 | 1   1: its first beat; what an earlier one of its name was asked does not count
  ARGV[5]  forget  ms      how long after its lease a node is forgotten

  Returns 1 when it is asked to drain, 0 when not.
]]
--- @include "clock"

local forgotten_max = 100
local node, lease, forget, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5]), clock()

if ARGV[4] == "1" then
  redis.call("SREM", key.nodesDraining, node)
end
redis.call("ZADD", key.nodes, now + lease, node)
redis.call("HSET", key.nodeAbout, node, ARGV[3])
local before = string.format("%.0f", now - forget)
for _, silent in ipairs(redis.call("ZRANGEBYSCORE", key.nodes, "-inf", before, "LIMIT", 0, forgotten_max)) do
  redis.call("ZREM", key.nodes, silent)
  redis.call("HDEL", key.nodeAbout, silent)
  redis.call("SREM", key.nodesDraining, silent)
end
local term = string.format("%.0f", lease + forget)
redis.call("PEXPIRE", key.nodes, term)
redis.call("PEXPIRE", key.nodeAbout, term)
redis.call("PEXPIRE", key.nodesDraining, term)
return redis.call("SISMEMBER", key.nodesDraining, node)
