-- Settles what a turn says of entries: of those that its worker still holds. Needs: turn, calls, records, lives, boxes,
-- watchers, finish, plain, give-back, agents.
--
-- `lost` are entries that are not the worker's any more. `settled` are those that were: first the ones that have ended, `count`
-- of them, in the order of `outcomes`.
local lost, settled, outcomes, count
-- What the worker holds of all it names, in the order of the arguments, and how far that was read.
local members, place
-- Entries that it does not hold any more, and what it said of them.
local unheld, expected_records
-- Tasks that go on: their entries, their next ones, and what is to be stored and told of them.
local left, nexts, writes, told
at_start(function()
  lost, settled, outcomes, count = {}, {}, {}, 0
  members, place = {}, 0
  unheld, expected_records = {}, {}
  left, nexts, writes, told = {}, {}, {}, {}
end)

-- Notes of what still runs are named, too: only who holds an entry may say something of it.
local function look_at_members()
  local named, size = {}, 0
  for list = 1, 5 do
    for i = starts[list], starts[list + 1] - 1, widths[list] do
      size = size + 1
      named[size] = ARGV[i]
    end
  end
  members = size > 0 and ask("SMISMEMBER", held, named) or {}
end

local function next_is_mine()
  place = place + 1
  return members[place] == 1
end

local function is_not_mine(entry, record)
  unheld[#unheld + 1] = entry
  expected_records[#expected_records + 1] = record
end

-- The ids of what has ended beside the plain ends. `acts` are what messages did to their agents, by entry: those that do not count
-- are taken out. A message that was handled with a state that was never stored, or is no longer there, is handled
-- again: it is among `refused`.
local function read_ends(acts, refused)
  local ids = {}
  for i = starts[1], starts[2] - 1, 2 do
    local entry = ARGV[i]
    local act = acts[entry]
    if not next_is_mine() then
      acts[entry] = nil
      is_not_mine(entry, ARGV[i + 1])
    elseif act and not is_of_this_state(ARGV[act + 1], ARGV[act + 2]) then
      acts[entry] = nil
      refused[#refused + 1] = entry
      lost[#lost + 1] = entry
    else
      if act then
        accept_state(entry, ARGV[act + 1], ARGV[act + 3], ARGV[act + 4], ARGV[act + 5])
      end
      count = count + 1
      settled[count] = entry
      ids[count] = sub(entry, 1, 26)
      outcomes[count] = ARGV[i + 1]
    end
  end
  return ids
end

local function goes_on(entry, record)
  local segment, next_entry = sub(entry, 1, 8), next_run(entry)
  settled[#settled + 1] = entry
  told[#told + 1] = id_of(entry)
  left[#left + 1] = entry
  nexts[#nexts + 1] = next_entry
  writes[segment] = writes[segment] or {}
  table.insert(writes[segment], id_of(entry))
  table.insert(writes[segment], record)
  return next_entry
end

-- When the next runs of what is tried again are due, and which they are.
local function read_retries()
  local later = {}
  for i = starts[2], starts[3] - 1, 3 do
    local entry = ARGV[i]
    if next_is_mine() then
      later[#later + 1] = now + tonumber(ARGV[i + 1])
      later[#later + 1] = goes_on(entry, ARGV[i + 2])
      if is_listened() then
        note_life("retrying", id_of(entry), run_of(entry), ARGV[i + 2], "")
      end
    else
      is_not_mine(entry, ARGV[i + 2])
    end
  end
  return later
end

-- The next runs of parents that begin to wait, and the children of each.
local function read_parents()
  local parents = {}
  for i = starts[3], starts[4] - 1, 3 do
    local entry = ARGV[i]
    if next_is_mine() then
      parents[#parents + 1] = { goes_on(entry, ARGV[i + 1]), ARGV[i + 2] }
    else
      is_not_mine(entry, ARGV[i + 1])
    end
  end
  return parents
end

local function read_releases(released)
  for i = starts[4], starts[5] - 1 do
    if next_is_mine() then
      settled[#settled + 1] = ARGV[i]
      released[#released + 1] = ARGV[i]
    elseif not again then
      lost[#lost + 1] = ARGV[i]
    end
  end
end

-- A settlement said again finds its own outcome already there, and counts as done.
local function lose_unheld()
  local present = again and #unheld > 0 and records_or_letters_of(unheld) or {}
  for i, entry in ipairs(unheld) do
    if present[i] ~= expected_records[i] then
      lost[#lost + 1] = entry
    end
  end
end

local function store_acts(acts)
  store_states(now)
  for i = starts[11], starts[12] - 1, 6 do
    if acts[ARGV[i]] and ARGV[i + 5] ~= "" then
      set_timers(ARGV[i], ARGV[i + 1], ARGV[i + 5], now, retention)
    end
  end
end

-- A parent waits for those of its children that live. An ordered box goes on being taken meanwhile. Where nobody will tell of one
-- that it saw alive in another partition, a dead letter that is tried again there, it looks once in a while (milliseconds). A
-- hasty one (`!` stands before its children) looks again where one of them has ended since it looked.
local look_again = 50
local function let_wait(parent)
  local id, awaited, home, is_elsewhere = id_of(parent[1]), {}, partition_name() .. ".", false
  local is_hasty, named = sub(parent[2], 1, 1) == "!", 0
  for child in string.gmatch(parent[2], "[^ !]+") do
    named = named + 1
    if redis.call("SISMEMBER", key.children(id), child) == 1 then
      awaited[#awaited + 1] = child
    end
    is_elsewhere = is_elsewhere or sub(child, 1, #home) ~= home
  end
  redis.call("DEL", key.awaited(id))
  if #awaited > 0 and (not is_hasty or #awaited == named) then
    awaited[#awaited + 1] = is_hasty and "!" or nil
    send("SADD", key.awaited(id), awaited)
    redis.call("HSET", key.waiting, id, parent[1])
  elseif is_elsewhere then
    redis.call("ZADD", key.later, now + look_again, parent[1])
  else
    put({ parent[1] }, true)
  end
end

-- Notes on what still runs, and what is left to tidy of what does not.
local function keep_notes()
  local notes = {}
  for i = starts[5], starts[6] - 1, 2 do
    if next_is_mine() then
      notes[#notes + 1] = ARGV[i]
      notes[#notes + 1] = ARGV[i + 1]
      told[#told + 1] = id_of(ARGV[i])
    else
      lost[#lost + 1] = ARGV[i]
    end
  end
  send("HSET", key.running, notes)
  tell_watchers(told, false)
  local noted = {}
  for i = starts[6], starts[7] - 1 do
    noted[#noted + 1] = ARGV[i]
  end
  send("HDEL", key.running, noted)
  local is_lost = {}
  for _, entry in ipairs(lost) do
    is_lost[entry] = true
  end
  for i = starts[7], starts[8] - 1 do
    if not is_lost[ARGV[i]] then
      redis.call("PEXPIRE", key.events(id_of(ARGV[i])), digits(retention))
    end
  end
end

local function settle()
  if starts[8] == starts[1] and plain == 0 then
    return
  end
  look_at_members()
  local not_mine = settle_plain()
  for i = 1, #not_mine, 2 do
    is_not_mine(not_mine[i], not_mine[i + 1])
  end
  if starts[8] == starts[1] and #unheld == 0 then
    return
  end
  local acts, released = {}, {}
  for i = starts[11], starts[12] - 1, 6 do
    acts[ARGV[i]] = i
  end
  local ids = read_ends(acts, released)
  local later, parents = read_retries(), read_parents()
  -- Those that were refused are no longer held, either.
  for _, entry in ipairs(released) do
    settled[#settled + 1] = entry
  end
  read_releases(released)
  lose_unheld()

  send("SREM", held, settled)
  if #ids > 0 then
    finish(ids, outcomes, now, retention)
  end
  if starts[11] < starts[12] then
    store_acts(acts)
  end
  for i = starts[12], starts[13] - 1, 2 do
    if acts[ARGV[i]] then
      redis.call("RPUSH", key.outbox, ARGV[i + 1])
    end
  end
  for segment, write in pairs(writes) do
    send("HSET", key.task(segment), write)
  end
  give_up_room(left, nexts)
  send("ZADD", key.later, later)
  for _, parent in ipairs(parents) do
    let_wait(parent)
  end
  if #released > 0 then
    give_back(released, nil, now, retention, crashes_suspect, crashes_max)
  end
  keep_notes()
end

-- Tells those who wait for what has ended. A small outcome goes along, but only one that was accepted.
local hint_record_max = 4096

local function tell_waiting()
  if starts[8] == starts[9] then
    return
  end
  local of, plain_of = {}, outcomes_of_plain()
  for k = 1, count do
    of[settled[k]] = outcomes[k]
  end
  for i = starts[8], starts[9] - 1, 2 do
    local news, size = {}, 0
    for entry in string.gmatch(ARGV[i + 1], "%S+") do
      local id = sub(entry, 1, 26)
      local outcome = of[entry] or plain_of[id]
      size = size + 1
      news[size] = id .. (outcome and #outcome <= hint_record_max and outcome or "")
    end
    redis.call("SPUBLISH", key.reply(ARGV[i]), table.concat(news, "\n"))
  end
end
