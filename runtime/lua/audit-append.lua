#!lua
--[[
  Note what an operator has done. Where the log is full, the oldest entry goes of the tenant that has the most.

  Whose an entry is, it says in its field `t`. Those of an earlier version do not; they are the oldest, and go first.

  KEYS[1]  base    string   the key prefix of the partition of access
  ARGV[1]  entry   string   JSON
  ARGV[2]  tenant  string   whose it is
  ARGV[3]  most    integer  how many entries are kept
  ARGV[4]  keep    ms       how long an entry is kept, at most

  Returns the entry's id.
]]
--- @include "clock"

-- A full log takes one in and lets one go; and the ids of entries that went by their age are met once.
local steps, steps_max = 0, 100

local over_at = math.max(0, clock() - tonumber(ARGV[4]))
local id = redis.call("XADD", key.audit, "MINID", digits(over_at), "*", "e", ARGV[1], "t", ARGV[2])
local own = key.audited(ARGV[2])
redis.call("RPUSH", own, id)
redis.call("ZINCRBY", key.auditShares, 1, ARGV[2])

local function drop_oldest_of(tenant)
  local oldest = redis.call("LPOP", key.audited(tenant))
  if oldest then
    redis.call("XDEL", key.audit, oldest)
  end
  if not oldest or tonumber(redis.call("ZINCRBY", key.auditShares, -1, tenant)) <= 0 then
    redis.call("ZREM", key.auditShares, tenant)
  end
end

-- A clock that went ahead meanwhile takes even the newest.
local function is_over(entry)
  return entry and tonumber(string.match(entry, "^%d+")) < over_at
end
while steps < steps_max and is_over(redis.call("LINDEX", own, 0)) do
  drop_oldest_of(ARGV[2])
  steps = steps + 1
end
while redis.call("XLEN", key.audit) > tonumber(ARGV[3]) and steps < steps_max do
  local oldest = redis.call("XRANGE", key.audit, "-", "+", "COUNT", 1)[1]
  if oldest[2][3] == "t" then
    drop_oldest_of(redis.call("ZREVRANGE", key.auditShares, 0, 0)[1])
  else
    redis.call("XDEL", key.audit, oldest[1])
  end
  steps = steps + 1
end

redis.call("PEXPIRE", key.audit, ARGV[4])
redis.call("PEXPIRE", own, ARGV[4])
redis.call("PEXPIRE", key.auditShares, ARGV[4])
return id
