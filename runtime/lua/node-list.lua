#!lua flags=no-writes
--[[
  List the nodes, also those that were lost lately.

  KEYS[1]  base  string  the key prefix of the partition that keeps the nodes

  Returns {now in ms, (node, lease deadline)*, JSON of what each says of itself, 1 for each that is asked to drain, both
  in the same order}.
]]
--- @include "clock"

local nodes, abouts, draining = redis.call("ZRANGE", key.nodes, 0, -1, "WITHSCORES"), {}, {}
for i = 1, #nodes, 2 do
  abouts[#abouts + 1] = redis.call("HGET", key.nodeAbout, nodes[i])
  draining[#draining + 1] = redis.call("SISMEMBER", key.nodesDraining, nodes[i])
end
return { clock(), nodes, abouts, draining }
