-- Who follows tasks, or waits for them, and is told that there is news. Needs: calls.

-- Redis finds a field of a small hash by a walk through all of it. A value that is too long for such a hash makes it a
-- table, which it stays: from so many fields on that pays.
local walk_max, long_value = 32, string.rep(" ", 65)

-- Notes the reply channels of those who watch: `write` is id, channels separated by blanks, and so on.
local function note_watchers(write)
  send("HSET", key.watched, write)
  if redis.call("HLEN", key.watched) > walk_max then
    redis.call("HSET", key.watched, "", long_value)
    redis.call("HDEL", key.watched, "")
  end
end

-- Tells the reply channels that watch any of these tasks; `last` forgets the watch, as at a task's end. `lines` has
-- what is told of a task beside its id.
local function tell_watchers(ids, last, lines)
  if #ids == 0 or redis.call("HLEN", key.watched) == 0 then
    return
  end
  local channels, watched = {}, {}
  local function tell(name, line)
    local told = channels[name] or {}
    channels[name], told[#told + 1] = told, line
  end
  for i, names in ipairs(ask("HMGET", key.watched, ids)) do
    if names then
      local id = ids[i]
      local line = lines and lines[id] or id
      watched[#watched + 1] = id
      if string.find(names, " ", 1, true) then
        for name in string.gmatch(names, "%S+") do
          tell(name, line)
        end
      else
        tell(names, line)
      end
    end
  end
  for name, told in pairs(channels) do
    redis.call("SPUBLISH", key.reply(name), table.concat(told, "\n"))
  end
  if last then
    send("HDEL", key.watched, watched)
  end
end
