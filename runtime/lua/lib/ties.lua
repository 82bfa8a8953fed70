-- What is to be tidied when a new task ends, and the boxes it may wait in. Needs: records, boxes.

-- Adds a line to what is to be tidied when a task ends.
local function tie(id, line)
  local lines = redis.call("HGET", key.ties, id)
  redis.call("HSET", key.ties, id, lines and lines .. "\n" .. line or line)
end

-- Keeps what finds a task again by its idempotency key for so long from now on at least, in milliseconds as text: a delayed task names
-- such guards in its lines.
local function keep_guards(id, kept)
  for member in string.gmatch("\n" .. (redis.call("HGET", key.ties, id) or ""), "\nk([^\n]*)") do
    local points_at = redis.call("GET", key.guard(member))
    if points_at and sub(points_at, 1, 26) == id then
      redis.call("PEXPIRE", key.guard(member), kept, "GT")
    end
  end
end

-- What is said of new tasks, gathered for `store_ties`: their lines, alarms, and boxes.
local tied, alarms, said, boxes_said
at_start(function()
  tied, alarms, said, boxes_said = {}, {}, {}, {}
end)

-- Says of a box what the newest submit says: `limit`, and `o` when it is ordered.
local function set_box(name, limit, ordered)
  if not said[name] then
    boxes_said[#boxes_said + 1] = name
  end
  said[name] = limit .. ordered
end

-- The lines of a task, or nothing where there is nothing to tidy: tasks of one submit mostly share them.
local function lines_of(box, limit, ordered, parent, expires, deadline, callback)
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
  if callback ~= "" then
    lines[#lines + 1] = "c"
  end
  return #lines > 0 and table.concat(lines, "\n")
end

-- Keeps the lines of a task, by which the task that `parent` names finds this one among its children's ends; and sets its
-- alarms.
local function keep_ties(id, lines, expires, deadline)
  if expires ~= "" then
    alarms[#alarms + 1], alarms[#alarms + 2] = expires, "!" .. id
  end
  if deadline ~= "" then
    alarms[#alarms + 1], alarms[#alarms + 2] = deadline, "#" .. id
  end
  if lines then
    tied[#tied + 1], tied[#tied + 2] = id, lines
  end
end

-- Stores what was gathered. A box that is in its ring stays there.
local function store_ties()
  send("HSET", key.ties, tied)
  send("ZADD", key.later, alarms)
  if #boxes_said == 0 then
    return
  end
  local configs = {}
  for i, config in ipairs(ask("HMGET", key.boxes, boxes_said)) do
    local name = boxes_said[i]
    configs[2 * i - 1] = name
    configs[2 * i] = said[name] .. (config and find(config, "r", 1, true) and "r" or "")
  end
  say_boxes(configs)
end
