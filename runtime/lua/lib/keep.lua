-- Stores new tasks. Needs: clock, calls, records, lives.

-- Whether it hands out nothing, or so much at a time at most; known once refusal was asked for.
local is_governed
at_start(function()
  is_governed = true
end)

-- When the newest run of a living task became due, if that was later than it was submitted, else 0. It stands before the input or
-- last of all, where no text can be taken for it.
local function due_of(record)
  record = record and byte(record) == 81 and record
  local head = record and sub(record, 1, (find(record, '"input":', 1, true) or #record + 1) - 1) or ""
  local first = string.match(head, '"dueAt":(%d+)')
  local again = record and not first and string.match(record, '"dueAt":(%d+)}$')
  return tonumber(first or again or 0)
end

-- The same record with another such time, in its place, or last of all where it had none.
local function with_due(record, due)
  local field = '"dueAt":' .. digits(due)
  local input = find(record, '"input":', 1, true) or #record + 1
  local first, last = find(sub(record, 1, input - 1), '"dueAt":%d+')
  if not first then
    first, last = find(record, '"dueAt":%d+}$')
    last = first and last - 1
  end
  if first then
    return sub(record, 1, first - 1) .. field .. sub(record, last + 1)
  end
  return sub(record, 1, -2) .. "," .. field .. "}"
end

-- Why the partition takes no more tasks: the letter of a bound (d: depth, a: age, k: a key's depth) and its number; or
-- nothing. `boxes` is how many would wait in which box.
local function refusal(count, boxes)
  local bounds = redis.call(
    "HMGET", key.control, "maxDepth", "maxAgeMs", "maxKeyDepth", "living", "listened", "paused", "concurrency", "rateCount")
  listened_by(bounds[5])
  is_governed = bounds[6] == "1" or bounds[7] or bounds[8]
  if bounds[1] and tonumber(bounds[4] or 0) + count > tonumber(bounds[1]) then
    return "d", bounds[1]
  end
  if bounds[2] then
    local now = clock()
    for _, lane in ipairs(lanes) do
      local head = redis.call("LINDEX", key.lane(lane), 0)
      -- What was due later has not waited since it was submitted: only of what seems too old more is read.
      if head and now - time_of(head) > tonumber(bounds[2]) and now - due_of(records_of({ head })[1]) > tonumber(bounds[2]) then
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

-- Writes some records of a segment: id, record, … from `first` to `last` of a list. One that comes to life is known to the
-- queries.
local function keep_part(segment, list, first, last)
  local count = (last - first + 1) / 2
  send_part("HSET", key.task(segment), list, first, last)
  if redis.call("HINCRBY", key.live, segment, count) == count then
    redis.call("PERSIST", key.task(segment))
    redis.call("ZREM", key.kept, segment)
    redis.call("ZADD", key.segments, 0, segment)
  end
  redis.call("HINCRBY", key.control, "living", count)
  return count
end

-- Writes records: `writes` is segment → {id, record, …}.
local function keep_records(writes)
  local stored = 0
  for segment, fields in pairs(writes) do
    stored = stored + keep_part(segment, fields, 1, #fields)
  end
  return stored
end

-- Gathers tasks for `keep_records` and their lanes. Tasks of one submit mostly share a segment and a lane: what is gathered
-- for both goes on until it changes.
local writes, lists
local segment, write, lane, list
at_start(function()
  writes, lists = {}, {}
  segment, write, lane, list = nil, nil, nil, nil
end)

local function keep(entry, record)
  if not segment or find(entry, segment, 1, true) ~= 1 then
    segment = sub(entry, 1, 8)
    writes[segment] = writes[segment] or {}
    write = writes[segment]
  end
  local size = #write
  write[size + 1] = sub(entry, 1, 26)
  write[size + 2] = record
end

local function queue(entry)
  local letter = byte(entry, 27)
  if letter ~= lane then
    lane = letter
    local name = lane_of_entry(entry)
    lists[name] = lists[name] or {}
    list = lists[name]
  end
  list[#list + 1] = entry
end
