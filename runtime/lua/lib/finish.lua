-- What goes on when tasks end. Needs: calls, records, lives, watchers, bell, boxes, segments.

local function partition_name()
  return string.match(base, "{(.-)}")
end

local counter_of, minutes_kept = { C = "cancelled", E = "expired", F = "failed", R = "reaped" }, 7200000

-- Counts tasks that ended without a worker saying so, and workers that were reaped.
local function count_ends(letter, count, now)
  local stat = key.stat(digits(math.floor(now / 60000)))
  redis.call("HINCRBY", stat, counter_of[letter], count)
  redis.call("PEXPIRE", stat, minutes_kept)
end

-- Tells a parent in this partition that a child has ended. The last one it waits for lets its next run start; the first one that
-- has failed, where it is hasty: then `!` is among those it waits for.
local function child_ended(parent, child, has_failed)
  redis.call("SREM", key.children(parent), child)
  local was_awaited = redis.call("SREM", key.awaited(parent), child) == 1
  local entry = redis.call("HGET", key.waiting, parent)
  local left = entry and redis.call("SCARD", key.awaited(parent))
  local may_go = left == 1 or (has_failed and was_awaited)
  if left == 0 or (entry and may_go and redis.call("SISMEMBER", key.awaited(parent), "!") == 1) then
    redis.call("HDEL", key.waiting, parent)
    put({ entry }, true)
    ring()
  end
end

-- What a task has failed with that was ended because its time was over. Of an agent's message that says nothing of the agent: whoever
-- asked has only waited too long.
local deadline_error = '{"type":"Deadline","message":"it had not ended when its time was over"}'

local function has_failed(record)
  return byte(record) == 70 and sub(record, -#deadline_error - 1) ~= deadline_error .. "}"
end

-- Hands out nothing more of an agent, one of whose messages has failed for good.
local function quarantine(agent, id, now)
  redis.call("SADD", key.pausedKeys, "~" .. agent)
  some_paused = true
  redis.call("HINCRBY", key.agent(agent), "failures", 1)
  redis.call("HSET", key.agent(agent), "quarantined", digits(now) .. " " .. id)
  redis.call("ZADD", key.agents, 0, agent)
end

-- A timer is over whose message was ended by somebody else's hand: it is none of the agent's any more.
local function forget_timer(agent, id)
  local hash, reverse = key.agent(agent), "timerof:" .. id
  local name = redis.call("HGET", hash, reverse)
  if name then
    redis.call("HDEL", hash, "timer:" .. name, reverse)
  end
end

-- The box that the lines of a task name, if they do; and whether they say more than that.
local function read_lines(lines)
  local name = string.match("\n" .. lines, "\nb%d+o? ([^\n]*)")
  return name, not name or find(lines, "\n", 1, true) ~= nil
end

-- Gives up the room of tasks that have ended, each box in one go: of those at some positions of `ids`, by their boxes.
local function leave_boxes(boxed, names, ids, records, now)
  for _, name in ipairs(names) do
    local runs, agent = {}, agent_of(name)
    -- One without a limit has no room to give up.
    local some_taken = redis.call("EXISTS", key.taken(name)) == 1
    for k, i in ipairs((agent or some_taken) and boxed[name] or {}) do
      local record = records[i]
      if agent and has_failed(record) then
        quarantine(agent, ids[i], now)
      elseif agent and byte(record) ~= 83 then
        forget_timer(agent, ids[i])
      end
      -- The record names the run whose entry takes up the room.
      runs[k] = ids[i] .. string.match(record, "^.(%a%d+)")
    end
    send("ZREM", key.taken(name), runs)
  end
  mark_ready(names)
end

-- What a task's end means for others beside its box: its parent, its children, its guards, its alarms, its callback.
local function untie(id, record, lines)
  local partition, run = partition_name(), string.match(record, "^.%a(%d+)")
  for line in string.gmatch(lines, "[^\n]+") do
    local kind, rest = sub(line, 1, 1), sub(line, 2)
    if kind == "p" then
      local child, home, parent = partition .. "." .. id, string.match(rest, "^(.*)%.(%w+)$")
      -- A dead letter has left its segment.
      if byte(record) ~= 70 then
        segments.keep_for(rest, id)
      end
      local has_failed = byte(record) ~= 83
      if home == partition then
        child_ended(parent, child, has_failed)
      else
        redis.call("RPUSH", key.outbox, "ended " .. child .. " " .. rest .. " " .. run .. (has_failed and " failed" or ""))
      end
    elseif kind == "s" then
      if byte(record) == 67 then
        for _, child in ipairs(redis.call("SMEMBERS", key.children(id))) do
          redis.call("RPUSH", key.outbox, "cancel " .. child)
        end
      end
      redis.call("UNLINK", key.steps(id), key.children(id), key.awaited(id))
      redis.call("HDEL", key.waiting, id)
    elseif kind == "a" then
      redis.call("ZREM", key.later, "!" .. id, "#" .. id)
    elseif kind == "c" then
      redis.call("RPUSH", key.outbox, "callback " .. partition .. "." .. id .. " " .. run)
    elseif kind == "g" then
      local keep, member = string.match(rest, "^(%d+):(.*)$")
      local points_at = redis.call("GET", key.guard(member))
      if points_at and sub(points_at, 1, 26) == id then
        if keep == "0" or (sub(member, 1, 5) == "cache" and byte(record) ~= 83) then
          redis.call("DEL", key.guard(member))
        else
          redis.call("PEXPIRE", key.guard(member), keep)
        end
      end
    end
  end
end

local function leave_partition(count)
  if redis.call("HINCRBY", key.control, "living", -count) <= 0 then
    redis.call("HDEL", key.control, "living")
  end
end

-- What the ends of tasks mean for their boxes and for others.
local function follow_ties(ids, records, now)
  local tied, others, boxed, names, before, name, more = {}, {}, {}, {}, nil, nil, nil
  for i, lines in ipairs(ask("HMGET", key.ties, ids)) do
    if lines then
      tied[#tied + 1] = ids[i]
      -- Neighbours mostly say the same.
      if lines ~= before then
        before, name, more = lines, read_lines(lines)
        if name and not boxed[name] then
          names[#names + 1], boxed[name] = name, {}
        end
      end
      if name then
        table.insert(boxed[name], i)
      end
      if more then
        others[#others + 1], others[#others + 2] = i, lines
      end
    end
  end
  leave_boxes(boxed, names, ids, records, now)
  for k = 1, #others, 2 do
    untie(ids[others[k]], records[others[k]], others[k + 1])
  end
  send("HDEL", key.ties, tied)
end

-- What follows from the ends of tasks, once they are stored.
local function follow_ends(ids, records, now)
  if is_listened() then
    note_ends(ids, records)
  end
  tell_watchers(ids, true)
  if redis.call("EXISTS", key.ties) == 1 then
    follow_ties(ids, records, now)
  end
end

-- Whether anything may follow.
local function some_follow()
  return is_listened() or redis.call("EXISTS", key.watched, key.ties) > 0
end

-- Ends living tasks: each record takes the place of the envelope, or becomes a dead letter (state letter F).
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
    send("HSET", key.task(segment), kept)
    send("HDEL", key.task(segment), buried)
    segments.leave(segment, #positions, now, retention)
  end
  leave_partition(#ids)
  send("HSET", key.letters, letters)
  send("ZADD", key.dead, deaths)
  follow_ends(ids, records, now)
end
