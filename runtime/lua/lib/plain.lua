-- Plain ends of a turn: first runs from lanes of which nothing is to be said but their records, as of nearly all. Redis is told of
-- them as they lie in the arguments. Needs: turn, calls, records, finish.
--
-- How many there are, where their entries lie, and the records of those that count by their ids, where not all of them do.
local plain, plain_first, plain_last, plain_outcomes
at_start(function()
  plain, plain_first, plain_outcomes = tonumber(ARGV[28]), starts[#widths + 1], nil
  plain_last = plain_first + plain - 1
end)

-- Calls `tell` with each segment, and where its ids and records lie.
local function each_part(tell)
  local at = plain_last + 1
  while at <= #ARGV do
    local first, last = at + 2, at + 1 + 2 * tonumber(ARGV[at + 1])
    tell(ARGV[at], first, last)
    at = last + 1
  end
end

-- The records by their ids.
local function records_by_id()
  local by_id = {}
  each_part(function(_, first, last)
    for i = first, last, 2 do
      by_id[ARGV[i]] = ARGV[i + 1]
    end
  end)
  return by_id
end

-- The records of those that count, by their ids.
local function outcomes_of_plain()
  return plain_outcomes or records_by_id()
end

-- Ends those that are still held, by their members of `held`, and gives the others: entry, record, …
local function settle_held(members)
  local entries, ids, records, not_mine = {}, {}, {}, {}
  local by_id = records_by_id()
  plain_outcomes = {}
  for k = 1, plain do
    local entry = ARGV[plain_first + k - 1]
    local id = id_of(entry)
    if members[k] == 1 then
      entries[#entries + 1], ids[#ids + 1], records[#records + 1] = entry, id, by_id[id]
      plain_outcomes[id] = by_id[id]
    else
      not_mine[#not_mine + 1], not_mine[#not_mine + 2] = entry, by_id[id]
    end
  end
  send("SREM", held, entries)
  if #ids > 0 then
    finish(ids, records, now, retention)
  end
  return not_mine
end

-- Ends them, and gives those that its worker does not hold: entry, record, …
local function settle_plain()
  if plain == 0 then
    return {}
  end
  local members = ask_part("SMISMEMBER", held, ARGV, plain_first, plain_last)
  for i = 1, plain do
    if members[i] ~= 1 then
      return settle_held(members)
    end
  end
  send_part("SREM", held, ARGV, plain_first, plain_last)
  each_part(function(segment, first, last)
    send_part("HSET", key.task(segment), ARGV, first, last)
    segments.leave(segment, (last - first + 1) / 2, now, retention)
  end)
  leave_partition(plain)
  if some_follow() then
    local ids, records = {}, {}
    each_part(function(_, first, last)
      for i = first, last, 2 do
        ids[#ids + 1], records[#records + 1] = ARGV[i], ARGV[i + 1]
      end
    end)
    follow_ends(ids, records, now)
  end
  return {}
end
