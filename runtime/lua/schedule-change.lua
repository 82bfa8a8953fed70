#!lua
--[[
  Change schedules, or put new ones there, or drop them: each if it still is what it was read as, and if its slot has come.

  A call said again finds its own versions there, and writes nothing. It may not run when memory is full: Redis refuses
  it before its first write, and the slots stay due.

  KEYS[1]  base     string   the key prefix of the schedules' partition
  ARGV[1]  most     integer  how many schedules a tenant may have
  ARGV[2]  all      integer  how many there may be
  ARGV[3]  keep     integer  how many notes of a schedule are kept
  then for each change, of another schedule each
           id       string   the schedule's
           from     string   the version it was read with; "" when there is to be none
           to       string   the version it has from now on; "" when it goes
           text     string   what it is from now on
           look     ms       when it is to be looked at; "" for never
           slot     ms       a slot that must have come; "" for none
           notes    integer  how many notes follow, oldest first
           owed     integer  how many messages for the outbox follow them

  Returns of each change
     1   changed, now or by an earlier call
     0   it is not what it was read as; nothing was written
    -1   the slot has not come; nothing was written
    -2   there are as many as there may be; nothing was written
]]
--- @include "clock"
--- @include "calls"
--- @include "bell"

local now, keep = clock(), tonumber(ARGV[3])

-- Whether there is no place for one more. An id of another tenant than `default` begins with a tilde and its name, and stands
-- after all that do not.
local function is_full(id)
  local owner = string.match(id, "^~[^/]*/")
  local first, beyond = owner and "[" .. owner or "-", owner and "(" .. owner .. "\255" or "(~"
  return redis.call("HLEN", key.schedules) >= tonumber(ARGV[2])
    or redis.call("ZLEXCOUNT", key.scheduleIds, first, beyond) >= tonumber(ARGV[1])
end

local function drop(id)
  redis.call("HDEL", key.schedules, id)
  redis.call("ZREM", key.scheduleIds, id)
  redis.call("ZREM", key.scheduleTimes, id)
  redis.call("DEL", key.slots(id))
  if redis.call("EXISTS", key.schedules, key.outbox) == 0 then
    redis.call("DEL", key.bell)
  end
end

local ids, starts, at = {}, {}, 4
while at <= #ARGV do
  ids[#ids + 1], starts[#starts + 1] = ARGV[at], at
  at = at + 8 + tonumber(ARGV[at + 6]) + tonumber(ARGV[at + 7])
end

-- What is written of those that go on is written at once.
local texts, times, messages, looked = {}, {}, {}, {}

local function change(at, stored)
  local id, from, to, text, look, slot = unpack(ARGV, at, at + 5)
  local version = stored and string.match(stored, "^%S+") or ""
  if version == to then
    return 1
  end
  if version ~= from then
    return 0
  end
  if slot ~= "" and now < tonumber(slot) then
    return -1
  end
  if to == "" then
    drop(id)
    return 1
  end
  if from == "" then
    if is_full(id) then
      return -2
    end
    redis.call("HSET", key.schedules, id, to .. " " .. text)
    redis.call("ZADD", key.scheduleIds, 0, id)
  else
    texts[#texts + 1], texts[#texts + 2] = id, to .. " " .. text
  end
  if look == "" then
    redis.call("ZREM", key.scheduleTimes, id)
  else
    times[#times + 1], times[#times + 2] = look, id
    looked[id] = true
  end
  local first_note, first_message = at + 8, at + 8 + tonumber(ARGV[at + 6])
  if first_message > first_note then
    redis.call("LPUSH", key.slots(id), unpack(ARGV, first_note, first_message - 1))
    redis.call("LTRIM", key.slots(id), 0, keep - 1)
  end
  for i = first_message, first_message + tonumber(ARGV[at + 7]) - 1 do
    messages[#messages + 1] = ARGV[i]
  end
  return 1
end

local answers = {}
for i, stored in ipairs(ask("HMGET", key.schedules, ids)) do
  answers[i] = change(starts[i], stored)
end
send("HSET", key.schedules, texts)
send("ZADD", key.scheduleTimes, times)
send("RPUSH", key.outbox, messages)
-- Who sleeps until the next time it knows of must hear of an earlier one.
if #messages > 0 or (#times > 0 and looked[redis.call("ZRANGE", key.scheduleTimes, 0, 0)[1]]) then
  ring()
end
return answers
