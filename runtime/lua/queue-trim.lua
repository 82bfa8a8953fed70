#!lua flags=allow-oom
--[[
  Drop the oldest dead letters over a number of them, or over a number of bytes, and the oldest ended tasks over the queue's `keepBytes` or older
  than its `keepMs`, a bounded number at a time.

  A segment is measured once, when its last task has ended; `sizes` remembers the bytes of each, their total, and the
  time in `kept` up to which all are measured. A segment that lives is not counted. One that parents may remember tasks of is
  counted, and stays.

  What dead letters take is estimated from some of them.

  KEYS[1]  base       string   the partition's key prefix
  ARGV[1]  dead max   integer  dead letters to keep
  ARGV[2]  keep       ms       how long sizes are remembered when nobody asks any more
  ARGV[3]  retention  ms       how long after the last end of its tasks a segment was to be kept
  ARGV[4]  dead bytes integer  bytes of dead letters to keep

  Returns {how many letters and segments were dropped, 1 when there is more to do}.
]]
--- @include "clock"
--- @include "calls"
--- @include "segments"
--- @include "sizes"

local letters_max, letters_sampled, measured_max, dropped_max = 500, 50, 100, 100
-- So many of the oldest segments are looked at, of which some may stay.
local looked_max = 1000

local deaths = redis.call("ZCARD", key.dead)
local over = deaths - tonumber(ARGV[1])
local letters_bytes = redis.call("MEMORY", "USAGE", key.letters, "SAMPLES", letters_sampled) or 0
if letters_bytes > tonumber(ARGV[4]) then
  over = math.max(over, math.ceil(deaths * (1 - tonumber(ARGV[4]) / letters_bytes)))
end
local letters = over > 0 and redis.call("ZRANGE", key.dead, 0, math.min(over, letters_max) - 1) or {}
send("ZREM", key.dead, letters)
send("HDEL", key.letters, letters)
local more = over > letters_max

local bounds = redis.call("HMGET", key.control, "keepBytes", "keepMs")
local keep, old = tonumber(bounds[1] or nil), {}
if bounds[2] then
  local until_then = clock() + tonumber(ARGV[3]) - tonumber(bounds[2])
  old = segments.that_may_go(redis.call("ZRANGEBYSCORE", key.kept, "-inf", until_then, "LIMIT", 0, looked_max), dropped_max)
  segments.drop(old)
  forget_sizes(old)
  more = more or #old == dropped_max
end
if not keep then
  redis.call("UNLINK", key.sizes)
  return { #letters + #old, more and 1 or 0 }
end

-- Measure what was kept since.
local state = redis.call("HMGET", key.sizes, "upTo", "total")
local up_to, total = state[1], tonumber(state[2] or 0)
local page =
  redis.call("ZRANGEBYSCORE", key.kept, up_to or "-inf", "+inf", "WITHSCORES", "LIMIT", 0, measured_max)
for i = 1, #page, 2 do
  local segment, score = page[i], page[i + 1]
  local known = redis.call("HGET", key.sizes, segment)
  if not known or score ~= up_to then
    total = total - (known or 0) + size_of(segment)
  end
end
if #page > 0 then
  local newest = page[#page]
  if #page == 2 * measured_max then
    more = true
    -- So many of one moment would be measured for ever: those beyond are measured when they are dropped.
    newest = newest == up_to and newest + 1 or newest
  end
  up_to = newest
end

-- Drop.
local dropped = {}
if total > keep then
  for _, segment in ipairs(segments.that_may_go(redis.call("ZRANGE", key.kept, 0, looked_max - 1), dropped_max)) do
    if total <= keep then
      break
    end
    total = total - (redis.call("HGET", key.sizes, segment) or 0)
    dropped[#dropped + 1] = segment
  end
  segments.drop(dropped)
  send("HDEL", key.sizes, dropped)
  more = more or (total > keep and #dropped == dropped_max)
end
if redis.call("EXISTS", key.kept) == 0 then
  redis.call("UNLINK", key.sizes)
else
  redis.call("HSET", key.sizes, "total", total)
  if up_to then
    redis.call("HSET", key.sizes, "upTo", up_to)
  end
  redis.call("PEXPIRE", key.sizes, ARGV[2])
end
return { #letters + #old + #dropped, more and 1 or 0 }
