-- Unix milliseconds. Read once per script: Lua's TIME moves inside a script on Redis 7.0 and is frozen from 7.2.
local function clock()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Numbers beyond 10^14 would print as 1e+14 and lose their last digits.
local function digits(number)
  return string.format("%.0f", number)
end
