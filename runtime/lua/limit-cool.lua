#!lua flags=allow-oom
--[[
  Grant nothing of a limit for a while. A longer pause that is there already stays.

  KEYS[1]  base  string  the key prefix of the limits' partition
  ARGV[1]  name  string  the limit
  ARGV[2]  for   ms      how long from now
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local now = clock()
local text, cools, line = limit_of(ARGV[1], now)
keep_limit(ARGV[1], text and live(text, nil, now), math.max(cools, now + tonumber(ARGV[2])), line, now)
return 0
