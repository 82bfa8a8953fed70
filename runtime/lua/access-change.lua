#!lua flags=allow-oom
--[[
  Change one access key, or put a new one there, if it still is what it was read as. Runs when memory is full: a key must
  always be revocable.

  Only keys that count are held against the bounds. Those that were revoked or have expired go when a new one comes: some
  time after their end, or earlier where there is no room, the first that ended first. The salt stays, as a mark that there
  was a key.

  KEYS[1]  base    string   the key prefix of the partition of access
  ARGV[1]  id      string   the key's
  ARGV[2]  from    string   the text it was read as; "" when there is to be none
  ARGV[3]  to      string   its text from now on
  ARGV[4]  salt    string   becomes the system's where it has none
  ARGV[5]  tenant  string   whose it is
  ARGV[6]  most    integer  how many keys of its tenant may count
  ARGV[7]  all     integer  how many of all may count, and how many there may be
  ARGV[8]  kept    ms       how long one is there after its end

  Returns
     1   changed, now or by an earlier call
     0   it is not what it was read as; nothing was written
    -1   as many count as may; nothing was written
]]
--- @include "clock"

local text = redis.call("HGET", key.access, ARGV[1]) or ""
if text == ARGV[3] then
  return 1
end
if text ~= ARGV[2] then
  return 0
end

local now, all = clock(), tonumber(ARGV[7])

-- Ten thousand texts are looked through, so they are not parsed. A label's quotes are escaped: nothing in it reads as a field.
local function number_in(stored, field)
  local _, before = string.find(stored, field, 1, true)
  return before and tonumber(string.match(stored, "^%d+", before + 1))
end

local function end_of(stored)
  local revoked = number_in(stored, 'revokedAt":')
  if revoked then
    return revoked
  end
  local expires = number_in(stored, 'expiresAt":')
  return expires and expires <= now and expires or nil
end

-- How many count, of its tenant and of all, and those that do not; the first that ended first where there is no room.
local function standings()
  local owner, own, counting, ended = '"tenant":"' .. ARGV[5] .. '"', 0, 0, {}
  local fields = redis.call("HGETALL", key.access)
  for at = 1, #fields, 2 do
    local id, stored = fields[at], fields[at + 1]
    local over = id ~= "salt" and end_of(stored)
    if over then
      ended[#ended + 1] = { id = id, at = over }
    elseif id ~= "salt" then
      counting = counting + 1
      own = own + (string.find(stored, owner, 1, true) and 1 or 0)
    end
  end
  if counting + #ended >= all then
    table.sort(ended, function(one, other)
      return one.at < other.at
    end)
  end
  return own, counting, ended
end

if text == "" then
  local own, counting, ended = standings()
  if own >= tonumber(ARGV[6]) or counting >= all then
    return -1
  end
  for at, one in ipairs(ended) do
    local left = counting + #ended - at + 1
    if one.at + tonumber(ARGV[8]) <= now or left >= all then
      redis.call("HDEL", key.access, one.id)
    end
  end
end
redis.call("HSETNX", key.access, "salt", ARGV[4])
redis.call("HSET", key.access, ARGV[1], ARGV[3])
return 1
