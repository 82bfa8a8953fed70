-- Tells the reply channels that watch any of these tasks; `last` forgets the watch, as at a task's end.
local function tell_watchers(ids, last)
  if #ids == 0 or redis.call("HLEN", key.watched) == 0 then
    return
  end
  local channels, watched = {}, {}
  for i, names in ipairs(redis.call("HMGET", key.watched, unpack(ids))) do
    if names then
      watched[#watched + 1] = ids[i]
      for name in string.gmatch(names, "%S+") do
        channels[name] = (channels[name] and channels[name] .. " " or "") .. ids[i]
      end
    end
  end
  for name, message in pairs(channels) do
    redis.call("SPUBLISH", key.reply(name), message)
  end
  if last and #watched > 0 then
    redis.call("HDEL", key.watched, unpack(watched))
  end
end

-- Ends living tasks: each record takes the place of the envelope, or becomes a dead letter (state letter F). A
-- segment without living tasks gets its time to go; its own expiry is an hour later, should no janitor live.
local function finish(ids, records, now, retention)
  local letters, deaths = {}, {}
  for segment, positions in pairs(by_segment(ids)) do
    local kept, buried = {}, {}
    for _, i in ipairs(positions) do
      if string.byte(records[i]) == 70 then
        buried[#buried + 1] = ids[i]
        letters[#letters + 1] = ids[i]
        letters[#letters + 1] = records[i]
        deaths[#deaths + 1] = now
        deaths[#deaths + 1] = ids[i]
      else
        kept[#kept + 1] = ids[i]
        kept[#kept + 1] = records[i]
      end
    end
    local task = key.task(segment)
    if #kept > 0 then
      redis.call("HSET", task, unpack(kept))
    end
    if #buried > 0 then
      redis.call("HDEL", task, unpack(buried))
    end
    if redis.call("HINCRBY", key.live, segment, -#positions) <= 0 then
      redis.call("HDEL", key.live, segment)
      if redis.call("PEXPIRE", task, digits(retention + 3600000)) == 1 then
        redis.call("ZADD", key.kept, now + retention, segment)
      end
    end
  end
  if #letters > 0 then
    redis.call("HSET", key.letters, unpack(letters))
    redis.call("ZADD", key.dead, unpack(deaths))
  end
  tell_watchers(ids, true)
end
