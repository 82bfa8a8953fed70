-- What Redis keeps of a limit. Needs: clock, calls, window.

-- The line, as runtime/line.ts says: who waits for an amount of a rate, { amount, since, until } each, in the order in which
-- they came. Its text is `<amount> <since> <until> ..`.
local line_max, stay_max = 16, 26000

local function waiting_in(text, now)
  local line = {}
  for amount, since, till in string.gmatch(text, "(%d+) (%d+) (%d+)") do
    till = tonumber(till)
    -- What lies further ahead was said on a clock that has been set back since.
    if till > now and till <= now + stay_max then
      line[#line + 1] = { amount = tonumber(amount), since = tonumber(since), till = till }
    end
  end
  return line
end

-- The amount that all others are held back for, if that is another one than this.
local function held_back_for(line, amount, per, now)
  local first = line[1]
  return first and first.amount ~= amount and first.since + per <= now and first.amount
end

-- An amount was refused by the rate, though all else would have let it start. The smallest always finds its room.
local function refused_in(line, amount, per, now)
  local till = now + math.min(2 * per + 6000, stay_max)
  if amount <= 1 then
    return
  end
  for _, one in ipairs(line) do
    if one.amount == amount then
      one.till = till
      return
    end
  end
  if #line < line_max then
    line[#line + 1] = { amount = amount, since = now, till = till }
  end
end

-- It was granted, or is held back by something else.
local function leave_line(line, amount)
  for i = #line, 1, -1 do
    if line[i].amount == amount then
      table.remove(line, i)
    end
  end
end

-- The window's text, or false, the end of the pause, or 0 when that is over, and the line.
local function limit_of(name, now)
  local kept = redis.call("HMGET", key.limit(name), "window", "cools", "line")
  local cools = tonumber(kept[2] or 0)
  return kept[1] and kept[1] ~= "" and kept[1], cools > now and cools or 0, waiting_in(kept[3] or "", now)
end

-- Keeps a window (or nothing), the end of a pause and a line as long as they count.
local function keep_limit(name, window, cools, line, now)
  local goes, words = math.max(window and gone_at(window) or 0, cools), {}
  for i, one in ipairs(line) do
    words[i] = digits(one.amount) .. " " .. digits(one.since) .. " " .. digits(one.till)
    goes = math.max(goes, one.till)
  end
  if goes <= now then
    redis.call("DEL", key.limit(name))
    return
  end
  local text = window and #window.buckets > 0 and text_of(window) or ""
  redis.call("HSET", key.limit(name), "window", text, "cools", digits(cools), "line", table.concat(words, " "))
  redis.call("PEXPIRE", key.limit(name), digits(goes - now))
end

-- How long the longest lease is remembered after its end, in milliseconds: after an outage those whose runs went on renew it.
local lapsed_kept = 3600000

-- Leases these permits until a deadline; the key lasts as long as the longest lease is remembered.
local function lease(name, permits, deadline, now)
  local members = {}
  for i, permit in ipairs(permits) do
    members[2 * i - 1] = digits(deadline)
    members[2 * i] = permit
  end
  send("ZADD", key.permits(name), members)
  local last = redis.call("ZRANGE", key.permits(name), -1, -1, "WITHSCORES")[2]
  if last then
    redis.call("PEXPIRE", key.permits(name), digits(tonumber(last) - now + lapsed_kept))
  end
end

-- Those of some permits that are out: nobody has judged that their lease is over.
local function out_of(name, permits)
  local out = {}
  for i, deadline in ipairs(ask("ZMSCORE", key.permits(name), permits)) do
    if deadline then
      out[#out + 1] = i
    end
  end
  return out
end
