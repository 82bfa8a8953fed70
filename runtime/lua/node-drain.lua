#!lua flags=allow-oom
--[[
  Ask a node to stop all it runs, in order. It hears it with its next beat.

  KEYS[1]  base  string  the key prefix of the partition that keeps the nodes
  ARGV[1]  node  string  its name

  Returns 1 when there is such a node, 0 when not; then nothing was written.
]]

if not redis.call("ZSCORE", key.nodes, ARGV[1]) then
  return 0
end
redis.call("SADD", key.nodesDraining, ARGV[1])
return 1
