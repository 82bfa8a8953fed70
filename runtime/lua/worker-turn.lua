#!lua flags=allow-oom
--[[
  The exchange between a worker and a partition, for a whole batch: settle what is finished, renew the lease, reap
  a dead worker, promote what is due, claim what is next.

  Everything is checked before the first write, because Redis does not roll a script back. It may run when memory
  is full: settling and releasing are what frees it.

  KEYS[1]   base         string   the partition's key prefix
  ARGV[1]   worker       string   the worker incarnation
  ARGV[2]   lease        ms       how long its claims stay its own from now
  ARGV[3]   want         integer  tasks to hand out at most
  ARGV[4]   expected     ms       Redis's time as the worker expects it; 0: not known
  ARGV[5]   join         0 | 1    1: register this incarnation
  ARGV[6]   again        0 | 1    1: an earlier turn got no answer
  ARGV[7]   retention    ms       how long outcomes and streams are kept
  ARGV[8]   crashes max  integer  worker deaths that make a task a dead letter
  ARGV[9]   jump         ms       a difference between now and expected that is a jump of the clock
  ARGV[10]  ended        integer  then as many of  entry, record
  ARGV[11]  retried      integer  then as many of  entry, delay in ms, record
  ARGV[12]  released     integer  then as many of  entry
  ARGV[13]  notes        integer  then as many of  entry, JSON
  ARGV[14]  noted        integer  then as many of  entry
  ARGV[15]  streamed     integer  then as many of  entry
  ARGV[16]  hints        integer  then as many of  reply channel, ended entries separated by blanks

  Returns
    -1  the incarnation is not registered; nothing was written
    {now, next due or -1, lost entries, claimed (entry, record)*, with again all other held entries}
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "bell"
--- @include "finish"
--- @include "give-back"

local reap_max, promote_max, stale_rounds, hint_record_max = 50, 500, 8, 4096

local worker, lease, want, expected = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local again, retention, crashes_max = ARGV[6] == "1", tonumber(ARGV[7]), tonumber(ARGV[8])
local now, held = clock(), key.held(worker)

local registered = redis.call("ZSCORE", key.workers, worker)
-- One that was evicted (deadline 0) is over, though nobody has reaped it yet.
if ARGV[5] == "0" and (not registered or tonumber(registered) == 0) then
  return -1
end

-- Where each list of arguments starts.
local widths, starts, at = { 2, 3, 1, 2, 1, 1, 2 }, {}, 17
for list = 1, #widths do
  starts[list] = at
  at = at + tonumber(ARGV[9 + list]) * widths[list]
end

-- What is said of entries, if anything is: `settled` are those that were still held, in the order of `records`.
local lost, settled, records, count = {}, {}, {}, 0
if at > starts[1] then
  -- What the worker still holds of all it names, the notes included: `members` goes along with the arguments.
  local named, size = {}, 0
  for list = 1, 4 do
    for i = starts[list], starts[list + 1] - 1, widths[list] do
      size = size + 1
      named[size] = ARGV[i]
    end
  end
  local members, place = size > 0 and ask("SMISMEMBER", held, named) or {}, 0
  local function next_is_mine()
    place = place + 1
    return members[place] == 1
  end

  -- Settle.
  local ids = {}
  local unheld, expect = {}, {}
  for i = starts[1], starts[2] - 1, 2 do
    local entry = ARGV[i]
    if next_is_mine() then
      count = count + 1
      settled[count] = entry
      ids[count] = sub(entry, 1, 26)
      records[count] = ARGV[i + 1]
    else
      unheld[#unheld + 1] = entry
      expect[#expect + 1] = ARGV[i + 1]
    end
  end
  local later, writes, told = {}, {}, {}
  for i = starts[2], starts[3] - 1, 3 do
    local entry = ARGV[i]
    if next_is_mine() then
      settled[#settled + 1] = entry
      later[#later + 1] = now + tonumber(ARGV[i + 1])
      later[#later + 1] = next_run(entry)
      told[#told + 1] = id_of(entry)
      local segment = string.sub(entry, 1, 8)
      writes[segment] = writes[segment] or {}
      table.insert(writes[segment], id_of(entry))
      table.insert(writes[segment], ARGV[i + 2])
    else
      unheld[#unheld + 1] = entry
      expect[#expect + 1] = ARGV[i + 2]
    end
  end
  local released = {}
  for i = starts[3], starts[4] - 1 do
    if next_is_mine() then
      settled[#settled + 1] = ARGV[i]
      released[#released + 1] = ARGV[i]
    elseif not again then
      lost[#lost + 1] = ARGV[i]
    end
  end
  -- A settlement said again finds its own outcome already there, and counts as done.
  local present = again and #unheld > 0 and records_or_letters_of(unheld) or {}
  for i, entry in ipairs(unheld) do
    if present[i] ~= expect[i] then
      lost[#lost + 1] = entry
    end
  end

  send("SREM", held, settled)
  if #ids > 0 then
    finish(ids, records, now, retention)
  end
  for segment, write in pairs(writes) do
    send("HSET", key.task(segment), write)
  end
  send("ZADD", key.later, later)
  if #released > 0 then
    give_back(released, nil, now, retention, crashes_max)
  end

  -- Notes on what still runs, and what is left to tidy of what does not.
  local notes = {}
  for i = starts[4], starts[5] - 1, 2 do
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
  for i = starts[5], starts[6] - 1 do
    noted[#noted + 1] = ARGV[i]
  end
  send("HDEL", key.running, noted)
  local is_lost = {}
  for _, entry in ipairs(lost) do
    is_lost[entry] = true
  end
  for i = starts[6], starts[7] - 1 do
    if not is_lost[ARGV[i]] then
      redis.call("PEXPIRE", key.events(id_of(ARGV[i])), digits(retention))
    end
  end
end

-- Renew, then look for a worker whose time is up: at once when it was evicted (deadline 0), else only if the
-- clock did not jump, for after a jump every lease seems to have run out.
redis.call("ZADD", key.workers, now + lease, worker)
local calm = expected == 0 or math.abs(now - expected) <= tonumber(ARGV[9])
local function expired()
  local first = redis.call("ZRANGE", key.workers, 0, 0, "WITHSCORES")
  local deadline = tonumber(first[2])
  return first[1] ~= worker and (deadline == 0 or (calm and deadline <= now)) and first[1]
end
local dead = expired()
if dead then
  -- The newest first: each further piece goes to the head of the lanes, before what is newer.
  local theirs = redis.call("SORT", key.held(dead), "ALPHA", "DESC", "LIMIT", 0, reap_max)
  send("SREM", key.held(dead), theirs)
  give_back(theirs, dead, now, retention, crashes_max)
  if #theirs < reap_max then
    redis.call("ZREM", key.workers, dead)
  end
  if expired() then
    ring()
  end
end

-- Promote.
local next_due = -1
local head = redis.call("ZRANGE", key.later, 0, 0, "WITHSCORES")
if head[1] then
  next_due = tonumber(head[2])
  if next_due <= now then
    local due, lists = redis.call("ZRANGEBYSCORE", key.later, "-inf", now, "LIMIT", 0, promote_max), {}
    redis.call("ZREMRANGEBYRANK", key.later, 0, #due - 1)
    for _, entry in ipairs(due) do
      local lane = lane_of_entry(entry)
      lists[lane] = lists[lane] or {}
      lists[lane][#lists[lane] + 1] = entry
    end
    for lane, list in pairs(lists) do
      send("RPUSH", key.lane(lane), list)
    end
    head = redis.call("ZRANGE", key.later, 0, 0, "WITHSCORES")
    next_due = tonumber(head[2] or -1)
  end
end

-- Claim, strictly by priority.
local claims, given_up, rounds = {}, false, stale_rounds
while want > 0 do
  local popped = redis.call("LMPOP", #lanes, key.lane(lanes[1]), key.lane(lanes[2]), key.lane(lanes[3]),
    key.lane(lanes[4]), "LEFT", "COUNT", want)
  if not popped then
    break
  end
  local entries, valid, size, total = popped[2], {}, 0, #claims
  local found = records_of(entries)
  for i = 1, #entries do
    local entry = entries[i]
    if is_current(found[i], entry) then
      size = size + 1
      valid[size] = entry
      claims[total + 1] = entry
      claims[total + 2] = found[i]
      total = total + 2
    end
  end
  send("SADD", held, valid)
  want = want - size
  -- Entries of tasks that ended meanwhile are passed over, a bounded number of times.
  rounds = size == #entries and rounds or rounds - 1
  if rounds == 0 then
    given_up = true
    break
  end
end

-- Work is left only where all that was asked for was there, or where the search among stale entries was given up.
if want == 0 or given_up then
  for _, lane in ipairs(lanes) do
    if redis.call("LLEN", key.lane(lane)) > 0 then
      ring()
      break
    end
  end
end

-- Tell those who wait for what has ended. A small outcome goes along, but only one that was accepted.
if starts[7] < at then
  local outcomes = {}
  for k = 1, count do
    outcomes[settled[k]] = records[k]
  end
  for i = starts[7], at - 1, 2 do
    local news, size = {}, 0
    for entry in string.gmatch(ARGV[i + 1], "%S+") do
      local outcome = outcomes[entry]
      size = size + 1
      news[size] = sub(entry, 1, 26) .. (outcome and #outcome <= hint_record_max and outcome or "")
    end
    redis.call("SPUBLISH", key.reply(ARGV[i]), table.concat(news, "\n"))
  end
end

local also = {}
if again then
  local new = {}
  for i = 1, #claims, 2 do
    new[claims[i]] = true
  end
  for _, entry in ipairs(redis.call("SMEMBERS", held)) do
    if not new[entry] then
      also[#also + 1] = entry
    end
  end
end
return { now, next_due, lost, claims, also }
