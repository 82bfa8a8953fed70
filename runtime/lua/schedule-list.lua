#!lua flags=allow-oom
--[[
  List schedules in the order of their ids. Writes nothing.

  KEYS[1]  base   string   the key prefix of the schedules' partition
  ARGV[1]  after  string   those after this id; "" from the first on
  ARGV[2]  most   integer  how many are given at most

  Returns {now, id, stored, ..}
]]
--- @include "clock"
--- @include "calls"

local from = ARGV[1] == "" and "-" or "(" .. ARGV[1]
local ids, reply = redis.call("ZRANGEBYLEX", key.scheduleIds, from, "+", "LIMIT", 0, ARGV[2]), { digits(clock()) }
if #ids > 0 then
  for i, stored in ipairs(ask("HMGET", key.schedules, ids)) do
    reply[#reply + 1] = ids[i]
    reply[#reply + 1] = stored
  end
end
return reply
