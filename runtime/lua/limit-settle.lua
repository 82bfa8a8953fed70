#!lua flags=allow-oom
--[[
  End permits: give up their places, and count what their runs have used where it differs from what was counted when they
  were taken.

  A place that is not taken up is passed over, and so is a rate that was corrected for this permit: so the same end may be
  said again. What was used beyond the amount is counted as of now, since nobody knows when it was; what was left is taken
  off where it was counted.

  KEYS[1]  base       string  the key prefix of the limits' partition
  ARGV[1]  corrected  ms      how long beyond its window it is known that a rate was corrected
  then     name, how many, and as many of  permit, taken at, amount, used, per in ms, 1 for a place   for each limit; per 0:
           no rate; without a place, only what was used otherwise than counted
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local fields = 6

-- Those of some corrections that were not made before; from here on they were.
local function first_time(name, list, now)
  local fresh, marks, permits = {}, {}, {}
  redis.call("ZREMRANGEBYSCORE", key.corrected(name), "-inf", digits(now))
  for i, at in ipairs(list) do
    permits[i] = ARGV[at]
  end
  for i, there in ipairs(ask("ZMSCORE", key.corrected(name), permits)) do
    if not there then
      local keep = tonumber(ARGV[list[i] + 4]) + tonumber(ARGV[1])
      fresh[#fresh + 1] = list[i]
      marks[#marks + 1], marks[#marks + 2] = digits(now + keep), permits[i]
    end
  end
  send("ZADD", key.corrected(name), marks)
  local last = redis.call("ZRANGE", key.corrected(name), -1, -1, "WITHSCORES")[2]
  if last then
    redis.call("PEXPIRE", key.corrected(name), digits(tonumber(last) - now))
  end
  return fresh
end

local now, at = clock(), 2
while at < #ARGV do
  local name, first, count = ARGV[at], at + 2, tonumber(ARGV[at + 1])
  at = first + fields * count
  local places, place_at, rates, ended = {}, {}, {}, {}
  for i = 1, count do
    local more = first + fields * (i - 1)
    if ARGV[more + 5] == "1" then
      places[#places + 1] = ARGV[more]
      place_at[#places] = more
    else
      rates[#rates + 1] = more
    end
  end
  local corrections = #rates > 0 and first_time(name, rates, now) or {}
  for _, i in ipairs(#places > 0 and out_of(name, places) or {}) do
    ended[#ended + 1] = places[i]
    if ARGV[place_at[i] + 2] ~= ARGV[place_at[i] + 3] then
      corrections[#corrections + 1] = place_at[i]
    end
  end
  send("ZREM", key.permits(name), ended)
  if #corrections > 0 then
    local text, cools, line = limit_of(name, now)
    local window = text and live(text, nil, now)
    for _, more in ipairs(corrections) do
      if not window or #window.buckets == 0 then
        window = live(false, tonumber(ARGV[more + 4]), now)
      end
      local over = tonumber(ARGV[more + 3]) - tonumber(ARGV[more + 2])
      if over > 0 then
        add(window, now, over)
      else
        take_back(window, tonumber(ARGV[more + 1]), -over)
      end
    end
    keep_limit(name, window, cools, line, now)
  end
end
return 0
