#!lua flags=allow-oom
--[[
  Take permits for several asks, each good for several limits together: each permit takes of all of them or of none. Asks are
  answered in their order. The number of calls depends on how many limits there are, not on how many permits.

  It may run when memory is full: what is kept is little, and tasks that run are what frees it.

  KEYS[1]  base    string   the key prefix of the limits' partition
  ARGV[1]  id      string   one that no other call has; each permit begins with it
  ARGV[2]  worker  string   as it stands in a permit
  ARGV[3]  lease   ms       how long they last unless they are renewed
  ARGV[4]  poll    ms       when to ask again for a place among so many at once
  ARGV[5]  judges  0 | 1    1: a place whose lease ran out is free
  then for each ask  want, how many limits it is of; then for each of these  name, count, per in ms, amount, concurrency;
                     count or concurrency is empty without one

  Returns for each ask {milliseconds until it is worth asking again or -1 when all were granted, permits ..}
]]
--- @include "clock"
--- @include "calls"
--- @include "window"
--- @include "limit"

local term, poll, judges = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == "1"
local now, taken = clock(), 0

-- What one ask gets: its limits lie from `first` to `last` among the arguments.
local function take(want, first, last)
  local granted, limits, short = want, {}, 0
  for at = first, last, 5 do
    local limit = { name = ARGV[at], concurrency = tonumber(ARGV[at + 4]) }
    local text, cools, line = limit_of(limit.name, now)
    limit.cools, limit.line = cools, line
    limit.room = cools > now and 0 or want
    if ARGV[at + 1] ~= "" then
      limit.count, limit.amount = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
      limit.window = live(text, tonumber(ARGV[at + 2]), now)
      limit.fits = room(limit.window, limit.count, limit.amount)
      limit.held_back = held_back_for(line, limit.amount, limit.window.per, now)
      limit.room = math.min(limit.room, limit.held_back and 0 or limit.fits)
    end
    if limit.concurrency then
      limit.out = redis.call("ZCOUNT", key.permits(limit.name), judges and "(" .. digits(now) or "-inf", "+inf")
      limit.places = math.max(0, limit.concurrency - limit.out)
      limit.room = math.min(limit.room, limit.places)
    end
    granted = math.min(granted, limit.room)
    limits[#limits + 1] = limit
    short = short + (limit.room == 0 and 1 or 0)
  end

  local tail = " " .. digits(now) .. " " .. ARGV[2]
  for _, limit in ipairs(limits) do
    tail = tail .. " " .. limit.name .. ":" .. digits(limit.amount or 0) .. ":"
      .. digits(limit.window and limit.window.per or 0) .. ":" .. (limit.concurrency and 1 or 0)
  end
  local permits = {}
  for i = 1, granted do
    permits[i] = ARGV[1] .. "." .. (taken + i) .. tail
  end

  taken = taken + granted

  local wait = -1
  for _, limit in ipairs(limits) do
    if limit.concurrency then
      if judges then
        redis.call("ZREMRANGEBYSCORE", key.permits(limit.name), "-inf", digits(now))
      end
      if granted > 0 then
        lease(limit.name, permits, now + term, now)
      end
    end
    if limit.window then
      add(limit.window, now, granted * limit.amount)
      if want > 0 and limit.cools == 0 then
        local by_rate = limit.held_back or limit.fits == 0
        if granted == 0 and short == 1 and by_rate and limit.places ~= 0 then
          refused_in(limit.line, limit.amount, limit.window.per, now)
        else
          leave_line(limit.line, limit.amount)
        end
      end
      keep_limit(limit.name, limit.window, limit.cools, limit.line, now)
    end
    -- It is one of those that there is no more of.
    if granted < want and limit.room == granted then
      wait = math.max(wait, 1, limit.cools - now)
      if limit.window then
        wait = math.max(wait, room_after(limit.window, limit.count, limit.amount, now))
        if limit.held_back then
          wait = math.max(wait, poll, room_after(limit.window, limit.count, limit.held_back, now))
        end
      end
      if limit.concurrency and limit.out + granted >= limit.concurrency then
        local first = judges and redis.call("ZRANGE", key.permits(limit.name), 0, 0, "WITHSCORES")[2]
        wait = math.max(wait, math.min(poll, first and tonumber(first) - now or poll))
      end
    end
  end
  table.insert(permits, 1, wait)
  return permits
end

local replies, at = {}, 6
while at <= #ARGV do
  local last = at + 1 + 5 * tonumber(ARGV[at + 1])
  replies[#replies + 1] = take(tonumber(ARGV[at]), at + 2, last)
  at = last + 1
end
return replies
