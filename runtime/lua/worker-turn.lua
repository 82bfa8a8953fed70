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
  ARGV[4]   expected     ms       Redis's time as the worker expects it; 0: not known; negative: it judges no lease now
  ARGV[5]   join         0 | 1    1: register this incarnation
  ARGV[6]   again        0 | 1    1: an earlier turn got no answer
  ARGV[7]   retention    ms       how long outcomes and streams are kept
  ARGV[8]   suspect from integer  worker deaths that make a task a suspect
  ARGV[9]   crashes max  integer  worker deaths that make a task a dead letter
  ARGV[10]  jump         ms       a difference between now and expected that is a jump of the clock
  ARGV[11]  share        text     how many to claim first from high, normal and low: three numbers; "" for none
  ARGV[12]  suspect      0 | 1    1: one suspect may be among the claims
  ARGV[13]  about        JSON     what the worker says of itself; "" when it says nothing
  ARGV[14]  ended        integer  then, after all counts, as many of  entry, record
  ARGV[15]  retried      integer  as many of  entry, delay in ms, record
  ARGV[16]  waiting      integer  as many of  entry, record, children separated by blanks
  ARGV[17]  released     integer  as many of  entry
  ARGV[18]  notes        integer  as many of  entry, JSON
  ARGV[19]  noted        integer  as many of  entry
  ARGV[20]  streamed     integer  as many of  entry
  ARGV[21]  hints        integer  as many of  reply channel, ended entries separated by blanks
  ARGV[22]  permits      integer  as many of  ring, how many may be claimed from it
  ARGV[23]  deferred     integer  as many of  ring, ms after which it may be asked for
  ARGV[24]  acts         integer  as many of  ended entry, address of its agent, revision it was handled with, state as
                                  JSON or "" when it did not change, version of the state, timers a line each
  ARGV[25]  sent         integer  as many of  ended entry, line of the outbox

  Returns
    -1  the incarnation is not registered; nothing was written
    {now, next due or -1, lost entries, claimed (entry, record)*, with again all other held entries, rings that have
    work (ring, how much)*, how many of the last claims came from each ring of the permits, 1 when the outbox is not empty,
    agents whose messages were claimed (address, revision of its state)*}
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "finish"
--- @include "give-back"
--- @include "end-early"
--- @include "window"
--- @include "agents"

local reap_max, promote_max, stale_rounds, hint_record_max = 50, 500, 8, 4096
local rings_max, ring_waiting_max = 16, 250

local worker, lease, want, expected = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local again, retention = ARGV[6] == "1", tonumber(ARGV[7])
local crashes_suspect, crashes_max = tonumber(ARGV[8]), tonumber(ARGV[9])
local now, held = clock(), key.held(worker)

local registered = redis.call("ZSCORE", key.workers, worker)
-- One that was evicted (deadline 0) is over, though nobody has reaped it yet.
if ARGV[5] == "0" and (not registered or tonumber(registered) == 0) then
  return -1
end

-- What operators set. It says whether somebody listens, too, which settling wants to know.
local control = want > 0
  and redis.call("HMGET", key.control, "paused", "concurrency", "rateCount", "rateMs", "rateUsed", "listened") or {}
if want > 0 then
  listened_by(control[6])
end

-- Where each list of arguments starts.
local widths, starts, at = { 2, 3, 3, 1, 2, 1, 1, 2, 2, 2, 6, 2 }, {}, 26
for list = 1, #widths do
  starts[list] = at
  at = at + tonumber(ARGV[13 + list]) * widths[list]
end
starts[#widths + 1] = at

-- What is said of entries, if anything is: `settled` are those that were still held, in the order of `records`.
local lost, settled, records, count = {}, {}, {}, 0
if starts[8] > starts[1] then
  -- What the worker still holds of all it names, the notes included: `members` goes along with the arguments.
  local named, size = {}, 0
  for list = 1, 5 do
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

  -- What messages did to their agents: an entry, and where it is said.
  local acts, refused = {}, {}
  for i = starts[11], starts[12] - 1, 6 do
    acts[ARGV[i]] = i
  end

  -- Settle.
  local ids = {}
  local unheld, expect = {}, {}
  for i = starts[1], starts[2] - 1, 2 do
    local entry = ARGV[i]
    local act = acts[entry]
    if not next_is_mine() then
      acts[entry] = nil
      unheld[#unheld + 1] = entry
      expect[#expect + 1] = ARGV[i + 1]
    elseif act and not is_of_this_state(ARGV[act + 1], ARGV[act + 2]) then
      -- It was handled with a state that was never stored, or is no longer there: it is handled again.
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
      records[count] = ARGV[i + 1]
    end
  end
  local later, writes, told, left, nexts = {}, {}, {}, {}, {}
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
  for i = starts[2], starts[3] - 1, 3 do
    local entry = ARGV[i]
    if next_is_mine() then
      later[#later + 1] = now + tonumber(ARGV[i + 1])
      later[#later + 1] = goes_on(entry, ARGV[i + 2])
      if is_listened() then
        note_life("retrying", id_of(entry), run_of(entry), ARGV[i + 2], "")
      end
    else
      unheld[#unheld + 1] = entry
      expect[#expect + 1] = ARGV[i + 2]
    end
  end
  local parents = {}
  for i = starts[3], starts[4] - 1, 3 do
    local entry = ARGV[i]
    if next_is_mine() then
      parents[#parents + 1] = { goes_on(entry, ARGV[i + 1]), ARGV[i + 2] }
    else
      unheld[#unheld + 1] = entry
      expect[#expect + 1] = ARGV[i + 1]
    end
  end
  local released = refused
  for _, entry in ipairs(refused) do
    settled[#settled + 1] = entry
  end
  for i = starts[4], starts[5] - 1 do
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
  if starts[11] < starts[12] then
    store_states(now)
    for i = starts[11], starts[12] - 1, 6 do
      if acts[ARGV[i]] and ARGV[i + 5] ~= "" then
        set_timers(ARGV[i], ARGV[i + 1], ARGV[i + 5], now, retention)
      end
    end
  end
  for i = starts[12], starts[13] - 1, 2 do
    if acts[ARGV[i]] then
      redis.call("RPUSH", key.outbox, ARGV[i + 1])
    end
  end
  for segment, write in pairs(writes) do
    send("HSET", key.task(segment), write)
  end
  give_up_room(left, nexts, {})
  send("ZADD", key.later, later)
  -- A parent waits for those of its children that live. An ordered box goes on being taken meanwhile.
  for _, parent in ipairs(parents) do
    local id, awaited = id_of(parent[1]), {}
    for child in string.gmatch(parent[2], "%S+") do
      if redis.call("SISMEMBER", key.children(id), child) == 1 then
        awaited[#awaited + 1] = child
      end
    end
    redis.call("DEL", key.awaited(id))
    if #awaited > 0 then
      send("SADD", key.awaited(id), awaited)
      redis.call("HSET", key.waiting, id, parent[1])
    else
      put({ parent[1] }, true)
    end
  end
  if #released > 0 then
    give_back(released, nil, now, retention, crashes_suspect, crashes_max)
  end

  -- Notes on what still runs, and what is left to tidy of what does not.
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

-- Renew, then look for a worker whose time is up: at once when it was evicted (deadline 0), else only if the
-- clock did not jump, for after a jump every lease seems to have run out.
redis.call("ZADD", key.workers, now + lease, worker)
if ARGV[13] ~= "" then
  redis.call("HSET", key.about, worker, ARGV[13])
end
local jump = tonumber(ARGV[10])
local calm = expected == 0 or math.abs(now - expected) <= jump
if math.abs(expected) - now > jump then
  -- On a clock that was set back the dead would live on: nobody has more than a lease from now.
  for _, other in ipairs(redis.call("ZRANGEBYSCORE", key.workers, "(" .. digits(now + lease), "+inf")) do
    redis.call("ZADD", key.workers, now + lease, other)
  end
end
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
  give_back(theirs, dead, now, retention, crashes_suspect, crashes_max)
  if #theirs < reap_max then
    redis.call("ZREM", key.workers, dead)
    redis.call("HDEL", key.about, dead)
    count_ends("R", 1, now)
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
    local due = redis.call("ZRANGEBYSCORE", key.later, "-inf", now, "LIMIT", 0, promote_max)
    redis.call("ZREMRANGEBYRANK", key.later, 0, #due - 1)
    local ready, unstarted, overdue = {}, {}, {}
    for i = 1, #due do
      local entry = due[i]
      local sign = byte(entry)
      if sign == 33 then
        unstarted[#unstarted + 1] = sub(entry, 2)
      elseif sign == 35 then
        overdue[#overdue + 1] = sub(entry, 2)
      else
        ready[#ready + 1] = entry
      end
    end
    put(ready, false)
    if #unstarted > 0 then
      local expired_ids = {}
      for i, record in ipairs(records_of(unstarted)) do
        local first = record and string.match(record, "^Q(%a1)%.")
        if first and not holder_of(unstarted[i] .. first) then
          expired_ids[#expired_ids + 1] = unstarted[i]
        end
      end
      end_early(expired_ids, "E", '{"type":"Expired","message":"it had not started when its time was over"}', now, retention)
    end
    if #overdue > 0 then
      end_early(overdue, "F", '{"type":"Deadline","message":"it had not ended when its time was over"}', now, retention)
    end
    head = redis.call("ZRANGE", key.later, 0, 0, "WITHSCORES")
    next_due = tonumber(head[2] or -1)
  end
end

-- Claim.
local claims, given_up, asked = {}, false, want
local paused, capped = control[1] == "1", false
if paused then
  want = 0
elseif control[2] then
  -- Counted, since a number that is kept would drift: a worker may die at any time.
  local running = 0
  for _, other in ipairs(redis.call("ZRANGE", key.workers, 0, -1)) do
    running = running + redis.call("SCARD", key.held(other))
  end
  local allowed = math.max(0, tonumber(control[2]) - running)
  capped, want = allowed < want, math.min(want, allowed)
end

-- A queue's own rate: never more than so many claims in any so many milliseconds.
local rate = control[3] and not paused and live(control[5], tonumber(control[4]), now)
if rate then
  local count = tonumber(control[3])
  local allowed = room(rate, count, 1)
  if allowed < want then
    capped, want = true, allowed
    local after = now + room_after(rate, count, 1, now)
    next_due = (next_due < 0 or after < next_due) and after or next_due
  end
end

-- Takes entries that were popped, and says how many of them are of living tasks.
local function claim(entries)
  local found, valid, size, total = records_of(entries), {}, 0, #claims
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
  return size
end

-- Most partitions have none of these: then nothing more is asked about any of them.
local some_special = redis.call("EXISTS", key.suspects, key.ready(""), key.rings, key.outbox) > 0

local suspects_left = false
if some_special and want > 0 and ARGV[12] == "1" then
  for _ = 1, stale_rounds do
    local suspect = redis.call("LPOP", key.suspects, 1)
    if not suspect then
      break
    elseif claim(suspect) > 0 then
      suspects_left = redis.call("EXISTS", key.suspects) == 1
      break
    end
  end
end
local lane_keys = {}
for place, lane in ipairs(lanes) do
  lane_keys[place] = key.lane(lane)
end
-- How many lanes have something: what is alone shares with nobody.
local filled = want > 0 and redis.call("EXISTS", unpack(lane_keys)) or 0
if filled > (some_special and 0 or 1) and ARGV[11] ~= "" then
  local place = 1
  for count in string.gmatch(ARGV[11], "%d+") do
    place = place + 1
    count = math.min(tonumber(count), want)
    claim(count > 0 and redis.call("LPOP", lane_keys[place], count) or {})
  end
end

-- Rings whose limits allow something, as the worker has permits for; where their claims begin, and how many they are.
local from_rings = {}
for i = starts[9], starts[10] - 1, 2 do
  local first = #claims / 2
  local count = claim_ring(ARGV[i], math.min(tonumber(ARGV[i + 1]), want), held, claims)
  want = want - count
  from_rings[#from_rings + 1] = first
  from_rings[#from_rings + 1] = count
end

-- Takes up to `most` from some lanes, the first ones first. Entries of tasks that ended are passed over, a bounded
-- number of times.
local rounds = stale_rounds
local function claim_lanes(most, first, last)
  if filled == 0 then
    return
  end
  local enough, arguments = want - most, { "LMPOP", last - first + 1 }
  for place = first, last do
    arguments[#arguments + 1] = lane_keys[place]
  end
  local size = #arguments
  arguments[size + 1], arguments[size + 2] = "LEFT", "COUNT"
  while want > enough do
    arguments[size + 3] = want - enough
    local popped = redis.call(unpack(arguments))
    if not popped then
      return
    end
    local entries, asked_for = popped[2], want - enough
    rounds = claim(entries) == #entries and rounds or rounds - 1
    if rounds == 0 then
      given_up = true
      return
    elseif filled == 1 and #entries < asked_for then
      return
    end
  end
end
if want > 0 then
  if not some_special or redis.call("EXISTS", key.ready("")) == 0 then
    claim_lanes(want, 1, #lanes)
  else
    -- Lanes and boxes share; a single claim goes to one or the other as the clock has it.
    claim_lanes(want, 1, 2)
    want = want - claim_ring("", math.floor((want + now % 2) / 2), held, claims)
    claim_lanes(want, 3, #lanes)
    want = want - claim_ring("", want, held, claims)
  end
end

if #claims > 0 then
  if listened_epoch == nil then
    listened_by(control[6])
  end
  for i = 1, listened_epoch and #claims or 0, 2 do
    note_life("started", id_of(claims[i]), run_of(claims[i]), claims[i + 1], '{"worker":"' .. worker .. '"}')
  end
end

if rate and #claims > 0 then
  add(rate, now, #claims / 2)
  redis.call("HSET", key.control, "rateUsed", text_of(rate))
end

-- Rings with limits that have work, for which permits are worth asking.
for i = starts[10], starts[11] - 1, 2 do
  redis.call("ZADD", key.rings, "XX", now + tonumber(ARGV[i + 1]), ARGV[i])
end
local rings, some_ring = {}, false
if some_special and redis.call("EXISTS", key.rings) == 1 and not paused then
  for _, ring_name in ipairs(redis.call("ZRANGEBYSCORE", key.rings, "-inf", now, "LIMIT", 0, rings_max)) do
    local box = redis.call("LINDEX", key.ready(ring_name), 0)
    if box then
      some_ring = true
      rings[#rings + 1] = ring_name
      rings[#rings + 1] =
        math.min(ring_waiting_max, math.max(redis.call("LLEN", key.ready(ring_name)), redis.call("LLEN", key.box(box))))
    else
      redis.call("ZREM", key.rings, ring_name)
    end
  end
  local next_ring = redis.call("ZRANGEBYSCORE", key.rings, "(" .. digits(now), "+inf", "WITHSCORES", "LIMIT", 0, 1)
  if next_ring[2] and (next_due < 0 or tonumber(next_ring[2]) < next_due) then
    next_due = tonumber(next_ring[2])
  end
end

-- Work is left only where all that was asked for was there, or where the search among stale entries was given up; a
-- full worker leaves the limited rings to others.
local function work_is_left()
  return redis.call("EXISTS", unpack(lane_keys)) > 0
    or some_special
    and (redis.call("EXISTS", key.ready(""), key.suspects) > 0 or (some_ring and asked == 0))
end
if suspects_left or (not paused and not capped and (want == 0 or given_up) and work_is_left()) then
  ring()
end

-- Tell those who wait for what has ended. A small outcome goes along, but only one that was accepted.
if starts[8] < starts[9] then
  local outcomes = {}
  for k = 1, count do
    outcomes[settled[k]] = records[k]
  end
  for i = starts[8], starts[9] - 1, 2 do
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
local outbox = some_special and redis.call("EXISTS", key.outbox) or 0
return { now, next_due, lost, claims, also, rings, from_rings, outbox, activated }
