-- Tells the reply channels that watch any of these tasks; `last` forgets the watch, as at a task's end.
local function tell_watchers(ids, last)
  if #ids == 0 or redis.call("HLEN", key.watched) == 0 then
    return
  end
  local channels, watched = {}, {}
  for i, names in ipairs(ask("HMGET", key.watched, ids)) do
    if names then
      watched[#watched + 1] = ids[i]
      for name in string.gmatch(names, "%S+") do
        channels[name] = (channels[name] and channels[name] .. "\n" or "") .. ids[i]
      end
    end
  end
  for name, message in pairs(channels) do
    redis.call("SPUBLISH", key.reply(name), message)
  end
  if last then
    send("HDEL", key.watched, watched)
  end
end

-- Ends living tasks: each record takes the place of the envelope, or becomes a dead letter (state letter F). A
-- segment without living tasks gets its time to go; its own expiry is an hour later, should no janitor live.
local function finish(ids, records, now, retention)
  local letters, deaths = {}, {}
  for segment, positions in pairs(by_segment(ids)) do
    local kept, buried, size = {}, {}, 0
    for k = 1, #positions do
      local id, record = ids[positions[k]], records[positions[k]]
      local letter, _, run, dot = byte(record, 1, 4)
      -- The worker tells of the streams of its own runs; an earlier run may have left one, too.
      if run ~= 49 or dot ~= 46 then
        redis.call("PEXPIRE", key.events(id), digits(retention))
      end
      if letter == 70 then
        buried[#buried + 1] = id
        letters[#letters + 1] = id
        letters[#letters + 1] = record
        deaths[#deaths + 1] = now
        deaths[#deaths + 1] = id
      else
        kept[size + 1] = id
        kept[size + 2] = record
        size = size + 2
      end
    end
    local task = key.task(segment)
    send("HSET", task, kept)
    send("HDEL", task, buried)
    if redis.call("HINCRBY", key.live, segment, -#positions) <= 0 then
      redis.call("HDEL", key.live, segment)
      if redis.call("PEXPIRE", task, digits(retention + 3600000)) == 1 then
        redis.call("ZADD", key.kept, now + retention, segment)
      end
    end
  end
  send("HSET", key.letters, letters)
  send("ZADD", key.dead, deaths)
  tell_watchers(ids, true)
end
