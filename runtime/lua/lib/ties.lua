-- What is to be tidied when a new task ends, and the boxes it may wait in. Needs: records, boxes.

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
