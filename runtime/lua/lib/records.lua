-- An entry is an id of 26 letters, a lane letter, and a run. A record is a state letter, a lane letter, a run, a
-- dot, a crash count, what is known of each run that was lost so, and JSON that is never parsed here.
local sub, byte, find = string.sub, string.byte, string.find

local lane_of = { u = "urgent", h = "high", n = "normal", l = "low" }

local function id_of(entry)
  return sub(entry, 1, 26)
end

-- An entry whose lane letter is a capital waits in a box.
local function is_boxed(entry)
  return byte(entry, 27) < 97
end

local function lane_of_entry(entry)
  return lane_of[sub(entry, 27, 27)]
end

local function run_of(entry)
  return tonumber(sub(entry, 28))
end

local letters_of_time = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

-- When a task was submitted, in Unix milliseconds: the first ten letters of its id, in Crockford's base 32.
local function time_of(id)
  local time = 0
  for i = 1, 10 do
    time = time * 32 + find(letters_of_time, sub(id, i, i), 1, true) - 1
  end
  return time
end

local function next_run(entry)
  return sub(entry, 1, 27) .. (run_of(entry) + 1)
end

-- Groups positions of a list of ids or entries by the segment that the first eight letters name. Neighbours mostly
-- share one, so each is held against the last before a new text is made of it.
local function by_segment(list)
  local groups, segment, group, size = {}, nil, nil, 0
  for i = 1, #list do
    local item = list[i]
    if not segment or find(item, segment, 1, true) ~= 1 then
      segment = sub(item, 1, 8)
      group = groups[segment]
      if not group then
        group = {}
        groups[segment] = group
      end
      size = #group
    end
    size = size + 1
    group[size] = i
  end
  return groups
end

-- The records of a list of ids or entries, in its order; false where there is none.
local function records_of(list)
  local groups = by_segment(list)
  local segment, positions = next(groups)
  if not segment then
    return {}
  end
  -- Mostly there is one segment, so that what is found is in order already.
  local is_only, records = next(groups, segment) == nil, {}
  for name, of_it in pairs(groups) do
    local ids = {}
    for k = 1, #of_it do
      ids[k] = sub(list[of_it[k]], 1, 26)
    end
    local found = ask("HMGET", key.task(name), ids)
    if is_only then
      return found
    end
    for k = 1, #of_it do
      records[of_it[k]] = found[k]
    end
  end
  return records
end

-- Adds the dead letters to what records_of found.
local function records_or_letters_of(list)
  local records, missing = records_of(list), {}
  for i = 1, #list do
    if not records[i] then
      missing[#missing + 1] = id_of(list[i])
    end
  end
  if #missing > 0 and redis.call("EXISTS", key.letters) == 1 then
    local found, k = ask("HMGET", key.letters, missing), 0
    for i = 1, #list do
      if not records[i] then
        k = k + 1
        records[i] = found[k]
      end
    end
  end
  return records
end

-- When a run began, of which a worker has noted that it lasts; "" where none has.
local function started_in(note)
  return string.match(note or "", '"startedAt":(%d+)') or ""
end

-- Whether a record is of a living task whose newest run is the one `entry` starts: an entry that was left in a
-- mailbox when its task ended, or ran again, is not. Runs of one digit are told by their bytes.
local function is_current(record, entry)
  if not record then
    return false
  end
  local letter, lane, run, dot = byte(record, 1, 4)
  local entry_lane, entry_run, more = byte(entry, 27, 29)
  if dot == 46 then
    return letter == 81 and lane == entry_lane and run == entry_run and not more
  end
  local head = "Q" .. sub(entry, 27) .. "."
  return sub(record, 1, #head) == head
end
