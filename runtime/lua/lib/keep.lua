-- Stores new tasks. Needs: calls, records, boxes.

-- Why the partition takes no more tasks: the letter of a bound (d: depth, a: age, k: a key's depth) and its number; or
-- nothing. `boxes` is how many would wait in which box.
local function refusal(count, boxes, now)
  local bounds = redis.call("HMGET", key.control, "maxDepth", "maxAgeMs", "maxKeyDepth", "living")
  if bounds[1] and tonumber(bounds[4] or 0) + count > tonumber(bounds[1]) then
    return "d", bounds[1]
  end
  if bounds[2] then
    for _, lane in ipairs(lanes) do
      local head = redis.call("LINDEX", key.lane(lane), 0)
      if head and now - time_of(head) > tonumber(bounds[2]) then
        return "a", bounds[2]
      end
    end
  end
  if bounds[3] then
    for name, added in pairs(boxes) do
      if redis.call("LLEN", key.box(name)) + added > tonumber(bounds[3]) then
        return "k", bounds[3]
      end
    end
  end
end

-- Writes records: `writes` is segment → {id, record, …}. A segment that comes to life is known to the queries.
local function keep_records(writes)
  local stored = 0
  for segment, fields in pairs(writes) do
    local count = #fields / 2
    stored = stored + count
    send("HSET", key.task(segment), fields)
    if redis.call("HINCRBY", key.live, segment, count) == count then
      redis.call("PERSIST", key.task(segment))
      redis.call("ZREM", key.kept, segment)
      redis.call("ZADD", key.segments, 0, segment)
    end
  end
  redis.call("HINCRBY", key.control, "living", stored)
  return stored
end

-- Adds a line to what is to be tidied when a task ends.
local function tie(id, line)
  local lines = redis.call("HGET", key.ties, id)
  redis.call("HSET", key.ties, id, lines and lines .. "\n" .. line or line)
end

-- Says of a box what the newest submit says: `limit`, and `o` when it is ordered.
local function set_box(name, limit, ordered)
  local _, flags = box_of(name)
  redis.call("HSET", key.boxes, name, limit .. ordered .. (find(flags, "r", 1, true) and "r" or ""))
end

-- Makes the task that `parent` names, if it does, find this one among its children's ends; and sets its alarms.
local function keep_ties(id, box, limit, ordered, parent, expires, deadline)
  local lines = {}
  if box ~= "" then
    lines[#lines + 1] = "b" .. limit .. ordered .. " " .. box
  end
  if parent ~= "" then
    lines[#lines + 1] = "p" .. parent
  end
  if expires ~= "" or deadline ~= "" then
    lines[#lines + 1] = "a"
  end
  if expires ~= "" then
    redis.call("ZADD", key.later, expires, "!" .. id)
  end
  if deadline ~= "" then
    redis.call("ZADD", key.later, deadline, "#" .. id)
  end
  if #lines > 0 then
    redis.call("HSET", key.ties, id, table.concat(lines, "\n"))
  end
end
