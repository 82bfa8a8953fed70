-- What Redis keeps of a limit. Needs: clock, calls, window.

-- The window's text, or false, and the end of the pause, or 0 when that is over.
local function limit_of(name, now)
  local kept = redis.call("HMGET", key.limit(name), "window", "cools")
  local cools = tonumber(kept[2] or 0)
  return kept[1] and kept[1] ~= "" and kept[1], cools > now and cools or 0
end

-- Keeps a window (or nothing) and the end of a pause as long as they count.
local function keep_limit(name, window, cools, now)
  local goes = math.max(window and gone_at(window) or 0, cools)
  if goes <= now then
    redis.call("DEL", key.limit(name))
    return
  end
  local text = window and #window.buckets > 0 and text_of(window) or ""
  redis.call("HSET", key.limit(name), "window", text, "cools", digits(cools))
  redis.call("PEXPIRE", key.limit(name), digits(goes - now))
end

-- Leases these permits until a deadline; the key lasts as long as the longest lease.
local function lease(name, permits, deadline, now)
  local members = {}
  for i, permit in ipairs(permits) do
    members[2 * i - 1] = digits(deadline)
    members[2 * i] = permit
  end
  send("ZADD", key.permits(name), members)
  local last = redis.call("ZRANGE", key.permits(name), -1, -1, "WITHSCORES")[2]
  if last then
    redis.call("PEXPIRE", key.permits(name), digits(tonumber(last) - now))
  end
end

-- Those of some permits that are out: their lease is not over.
local function out_of(name, permits, now)
  local out = {}
  for i, deadline in ipairs(ask("ZMSCORE", key.permits(name), permits)) do
    if deadline and tonumber(deadline) > now then
      out[#out + 1] = i
    end
  end
  return out
end
