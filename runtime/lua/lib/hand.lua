-- Hands a new task to a worker that stands by for one: it is that worker's claim from here on, and goes along with the order to
-- run it, so that no turn is taken for it. Needs: clock, calls, records, lives, keep.
local hand_record_max, hand_tries = 4096, 4

-- What waits already goes first.
local function some_wait()
  return redis.call("EXISTS", key.lane("urgent"), key.lane("high"), key.lane("normal"), key.lane("low"), key.ready(""),
    key.suspects) > 0
end

-- The worker that runs it; nothing when it is to wait in its lane. What operators bound is for turns to count. A worker that
-- has less than `least` left of its lease has not been heard of for a while, as if it were frozen.
local function hand(entry, record, least)
  if is_governed or #record > hand_record_max then
    return nil
  end
  local out_of_reach, hand_to = {}, nil
  for _ = 1, hand_tries do
    local worker = redis.call("LPOP", key.standby)
    if not worker then
      break
    elseif some_wait() then
      redis.call("LPUSH", key.standby, worker)
      break
    end
    local deadline = tonumber(redis.call("ZSCORE", key.workers, worker) or 0)
    if deadline > clock() + least and redis.call("SPUBLISH", key.orders(worker), "run " .. entry .. " " .. record) > 0 then
      redis.call("SADD", key.held(worker), entry)
      hand_to = worker
      break
    elseif deadline > 0 then
      out_of_reach[#out_of_reach + 1] = worker
    end
  end
  -- They are not forgotten: what was popped counts as handed a task with the next turn.
  send("RPUSH", key.standby, out_of_reach)
  return hand_to
end
