#!lua flags=allow-oom
--[[
  End permits, and count what their runs have used where it differs from what was counted when they were taken.

  A permit that is not out is passed over: so the same end may be said again. What was used beyond the amount is
  counted as of now, since nobody knows when it was; what was left is taken off where it was counted.

  KEYS[1]  base  string  the key prefix of the limits' partition
  then     name, how many, and as many of  permit, taken at, amount, used, per in ms   for each limit; per 0: no rate
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local now, at = clock(), 1
while at < #ARGV do
  local name, first, permits = ARGV[at], at + 2, {}
  for i = 1, tonumber(ARGV[at + 1]) do
    permits[i] = ARGV[first + 5 * (i - 1)]
  end
  at = first + 5 * #permits
  local ended, corrections = {}, {}
  for _, i in ipairs(out_of(name, permits, now)) do
    ended[#ended + 1] = permits[i]
    local more = first + 5 * (i - 1)
    if ARGV[more + 2] ~= ARGV[more + 3] then
      corrections[#corrections + 1] = more
    end
  end
  send("ZREM", key.permits(name), ended)
  if #corrections > 0 then
    local text, cools = limit_of(name, now)
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
    keep_limit(name, window, cools, now)
  end
end
return 0
