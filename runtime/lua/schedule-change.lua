#!lua
--[[
  Change one schedule, or put a new one there, or drop it: if it still is what it was read as, and if its slot has come.

  A call said again finds its own version there, and writes nothing. It may not run when memory is full: Redis refuses
  it before its first write, and the slot stays due.

  KEYS[1]  base     string   the key prefix of the schedules' partition
  ARGV[1]  id       string   the schedule's
  ARGV[2]  from     string   the version it was read with; "" when there is to be none
  ARGV[3]  to       string   the version it has from now on; "" when it goes
  ARGV[4]  text     string   what it is from now on
  ARGV[5]  look     ms       when it is to be looked at; "" for never
  ARGV[6]  slot     ms       a slot that must have come; "" for none
  ARGV[7]  most     integer  how many schedules its tenant may have
  ARGV[8]  all      integer  how many there may be
  ARGV[9]  keep     integer  how many notes are kept
  ARGV[10] notes    integer  how many notes follow, oldest first; after them messages for the outbox

  Returns
     1   changed, now or by an earlier call
     0   it is not what it was read as; nothing was written
    -1   the slot has not come; nothing was written
    -2   there are as many as there may be; nothing was written
]]
--- @include "clock"
--- @include "calls"
--- @include "bell"

local id, from, to = ARGV[1], ARGV[2], ARGV[3]
local stored = redis.call("HGET", key.schedules, id)
local version = stored and string.match(stored, "^%S+") or ""
if version == to then
  return 1
end
if version ~= from then
  return 0
end
if ARGV[6] ~= "" and clock() < tonumber(ARGV[6]) then
  return -1
end

-- An id of another tenant than `default` begins with a tilde and its name, and stands after all that do not.
local function of_tenant()
  local owner = string.match(id, "^~[^/]*/")
  local first, beyond = owner and "[" .. owner or "-", owner and "(" .. owner .. "\255" or "(~"
  return redis.call("ZLEXCOUNT", key.scheduleIds, first, beyond)
end
if
  from == ""
  and (redis.call("HLEN", key.schedules) >= tonumber(ARGV[8]) or of_tenant() >= tonumber(ARGV[7]))
then
  return -2
end

if to == "" then
  redis.call("HDEL", key.schedules, id)
  redis.call("ZREM", key.scheduleIds, id)
  redis.call("ZREM", key.scheduleTimes, id)
  redis.call("DEL", key.slots(id))
  if redis.call("EXISTS", key.schedules, key.outbox) == 0 then
    redis.call("DEL", key.bell)
  end
  return 1
end
redis.call("HSET", key.schedules, id, to .. " " .. ARGV[4])
redis.call("ZADD", key.scheduleIds, 0, id)
if ARGV[5] == "" then
  redis.call("ZREM", key.scheduleTimes, id)
else
  redis.call("ZADD", key.scheduleTimes, ARGV[5], id)
end
local notes, messages, first_message = {}, {}, 11 + tonumber(ARGV[10])
for i = 11, first_message - 1 do
  notes[#notes + 1] = ARGV[i]
end
for i = first_message, #ARGV do
  messages[#messages + 1] = ARGV[i]
end
send("LPUSH", key.slots(id), notes)
if #notes > 0 then
  redis.call("LTRIM", key.slots(id), 0, tonumber(ARGV[9]) - 1)
end
send("RPUSH", key.outbox, messages)
-- Who sleeps until the next time it knows of must hear of an earlier one.
if #messages > 0 or (ARGV[5] ~= "" and redis.call("ZRANGE", key.scheduleTimes, 0, 0)[1] == id) then
  ring()
end
return 1
