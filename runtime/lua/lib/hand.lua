-- Hands a new task to a worker that stands by for one: it is that worker's claim from here on, and goes along with the order to
-- run it, so that no turn is taken for it. Needs: clock, keep.
local hand_record_max, hand_tries, standby_max = 4096, 4, 2500

-- What waits already goes first.
local function some_wait()
  return redis.call("EXISTS", key.lane("urgent"), key.lane("high"), key.lane("normal"), key.lane("low"), key.ready(""),
    key.suspects) > 0
end

-- The worker that runs it, which has stood by the longest and hears its orders; nothing when the task is to wait in its
-- lane. What operators bound is for turns to count.
local function hand(entry, record)
  if is_governed or #record > hand_record_max or redis.call("EXISTS", key.standby) == 0 or some_wait() then
    return nil
  end
  -- Who stands by takes a turn each second: where that was longer ago, its process may be frozen, or blocked.
  local now = clock()
  local standing = redis.call(
    "ZRANGEBYSCORE", key.standby, digits(now - standby_max), digits(now + standby_max), "LIMIT", 0, hand_tries)
  for _, worker in ipairs(standing) do
    if redis.call("SPUBLISH", key.orders(worker), "run " .. entry .. " " .. record) > 0 then
      redis.call("ZREM", key.standby, worker)
      redis.call("SADD", key.held(worker), entry)
      return worker
    end
  end
  return nil
end
