-- Renews the lease of a turn's worker, and looks for another one whose time is up. Needs: turn, bell, finish, give-back.
local reap_max = 50

-- A worker whose time is up: at once when it was evicted (deadline 0), else only if the clock did not jump, for after a
-- jump every lease seems to have run out.
local function expired(calm)
  local first = redis.call("ZRANGE", key.workers, 0, 0, "WITHSCORES")
  local deadline = tonumber(first[2])
  return first[1] ~= worker and (deadline == 0 or (calm and deadline <= now)) and first[1]
end

-- Gives back what a dead worker held, so much of it at once.
local function reap(dead)
  -- The newest first: each further piece goes to the head of the lanes, before what is newer.
  local theirs = redis.call("SORT", key.held(dead), "ALPHA", "DESC", "LIMIT", 0, reap_max)
  send("SREM", key.held(dead), theirs)
  give_back(theirs, dead, now, retention, crashes_suspect, crashes_max)
  if #theirs < reap_max then
    redis.call("ZREM", key.workers, dead)
    redis.call("HDEL", key.about, dead)
    redis.call("ZREM", key.standby, dead)
    count_ends("R", 1, now)
  end
end

-- On a clock that was set back the dead would live on: nobody has more than its lease from now. Who has just joined cannot
-- know whether it was, and there may be nobody else.
local function cut_leases()
  local others = redis.call("ZRANGEBYSCORE", key.workers, "(" .. digits(now + lease), "+inf", "WITHSCORES")
  for i = 1, #others, 2 do
    local about = redis.call("HGET", key.about, others[i]) or ""
    local last = now + (tonumber(string.match(about, '"leaseMs":(%d+)')) or lease)
    if tonumber(others[i + 1]) > last then
      redis.call("ZADD", key.workers, last, others[i])
    end
  end
end

local function renew()
  redis.call("ZADD", key.workers, now + lease, worker)
  if ARGV[13] ~= "" then
    redis.call("HSET", key.about, worker, ARGV[13])
  end
  local calm = expected == 0 or math.abs(now - expected) <= jump
  if ARGV[5] == "1" or math.abs(expected) - now > jump then
    cut_leases()
  end
  local dead = expired(calm)
  if dead then
    reap(dead)
    if expired(calm) then
      ring()
    end
  end
end
