#!lua flags=allow-oom
--[[
  How limits stand.

  KEYS[1]  base   string  the key prefix of the limits' partition
  ARGV     names  string  limits

  Returns, for each, in their order: what is used within its window, permits that are out, and the end of its pause or 0
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local now, states = clock(), {}
for i, name in ipairs(ARGV) do
  local text, cools = limit_of(name, now)
  local out = redis.call("ZCOUNT", key.permits(name), "(" .. digits(now), "+inf")
  states[i] = { text and used(live(text, nil, now)) or 0, out, cools }
end
return states
