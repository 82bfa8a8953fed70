-- Puts what has fallen due into the mailboxes it waits for. Needs: turn, records, boxes, finish, end-early.
local promote_max = 500

local function next_due()
  local head = redis.call("ZRANGE", key.later, 0, 0, "WITHSCORES")
  return tonumber(head[2] or -1)
end

-- Ends those of some tasks that have not started though their time is over.
local function expire(unstarted)
  local expired_ids = {}
  for i, record in ipairs(records_of(unstarted)) do
    local first = record and string.match(record, "^Q(%a1)%.")
    if first and not holder_of(unstarted[i] .. first) then
      expired_ids[#expired_ids + 1] = unstarted[i]
    end
  end
  end_early(expired_ids, "E", '{"type":"Expired","message":"it had not started when its time was over"}', now, retention)
end

-- Says when the next of them is due, or -1.
local function promote()
  local first = next_due()
  if first < 0 or first > now then
    return first
  end
  local due = redis.call("ZRANGEBYSCORE", key.later, "-inf", now, "LIMIT", 0, promote_max)
  redis.call("ZREMRANGEBYRANK", key.later, 0, #due - 1)
  local ready, unstarted, overdue = {}, {}, {}
  for i = 1, #due do
    local entry = due[i]
    local sign = byte(entry)
    if sign == 33 then
      unstarted[#unstarted + 1] = sub(entry, 2)
    elseif sign == 35 then
      overdue[#overdue + 1] = sub(entry, 2)
    else
      ready[#ready + 1] = entry
    end
  end
  put(ready, false)
  if #unstarted > 0 then
    expire(unstarted)
  end
  if #overdue > 0 then
    end_early(overdue, "F", deadline_error, now, retention)
  end
  return next_due()
end
