-- Claims what a turn's worker can start now, within the queue's bounds. Needs: turn, calls, records, lives, bell, boxes,
-- window.
--
-- `claims` are the entries and their records, in the order of their starts. `handed` is 1 when a submit has handed this worker
-- a task since its last turn, and `stands_by` when one may from now on. `from_rings` says of each ring of the permits where
-- its claims begin, and how many they are; then of all of them once more, if they had a second turn. `rings` are those that
-- have work, and how much.
-- `suspects_wait`: for how long a ring is left to others of which a claim found nothing but suspects that it may not take, in
-- milliseconds.
local bounds = { stale_rounds = 8, rings = 16, ring_waiting = 250, suspects_wait = 500 }

local claims, from_rings, rings, some_ring, handed, stands_by
-- How many are still wanted, and how many were asked for.
local want, asked
-- What operators set; whether it hands out nothing, or less than was asked for.
local control, paused, capped
-- The queue's own rate, where it has one.
local rate
-- Lanes, and how many of them have something; whether a partition has any of what most have none of.
local lane_keys, filled, some_special
-- How often entries of tasks that ended may still be passed over, and whether the search was given up.
local rounds, given_up
at_start(function()
  claims, from_rings, rings, some_ring, handed, stands_by = {}, {}, {}, false, 0, 0
  want = tonumber(ARGV[3])
  asked, control, paused, capped, rate = want, {}, false, false, nil
  rounds, given_up = bounds.stale_rounds, false
  lane_keys = {}
  for place, lane in ipairs(lanes) do
    lane_keys[place] = key.lane(lane)
  end
end)

-- A worker that takes a turn is handed nothing meanwhile. What it was handed before takes up what it wants.
local function stand_down()
  if ARGV[14] == "1" and redis.call("ZREM", key.standby, worker) == 0 then
    handed, want = 1, math.max(0, want - 1)
  end
end

-- One that found less than it wants may be handed a task.
local function stand_by()
  if ARGV[15] == "1" and #claims / 2 + handed < asked then
    redis.call("ZADD", key.standby, now, worker)
    stands_by = 1
  end
end

-- It says whether somebody listens, too, which settling wants to know.
local function read_control()
  if want > 0 then
    control = redis.call("HMGET", key.control, "paused", "concurrency", "rateCount", "rateMs", "rateUsed", "listened")
    listened_by(control[6])
  end
end

local function sooner(due, other)
  return (due < 0 or other < due) and other or due
end

local function heed_pause()
  paused = control[1] == "1"
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
end

-- A queue's own rate: never more than so many claims in any so many milliseconds. Says when there is something to do next.
local function heed_rate(due)
  rate = control[3] and not paused and live(control[5], tonumber(control[4]), now)
  if rate then
    local count = tonumber(control[3])
    local allowed = room(rate, count, 1)
    if allowed < want then
      capped, want = true, allowed
      return sooner(due, now + room_after(rate, count, 1, now))
    end
  end
  return due
end

-- Takes entries that were popped, and says how many of them are of living tasks.
local function claim(entries)
  local found, valid, total = records_of(entries), entries, #claims
  for i = 1, #entries do
    local entry, record = entries[i], found[i]
    if is_current(record, entry) then
      claims[total + 1] = entry
      claims[total + 2] = record
      total = total + 2
      if valid ~= entries then
        valid[#valid + 1] = entry
      end
    elseif valid == entries then
      valid = { unpack(entries, 1, i - 1) }
    end
  end
  send("SADD", held, valid)
  want = want - #valid
  return #valid
end

local function claim_suspect()
  for _ = 1, bounds.stale_rounds do
    local suspect = redis.call("LPOP", key.suspects, 1)
    if not suspect then
      break
    elseif claim(suspect) > 0 then
      suspects.may_take, suspects.has_one = false, true
      suspects.left = redis.call("EXISTS", key.suspects) == 1
      break
    end
  end
end

-- What comes first from the lower lanes, whatever waits above; boxes have a share as large as that of `normal`.
local function claim_shares()
  local place = 1
  for count in string.gmatch(ARGV[11], "%d+") do
    place, count = place + 1, tonumber(count)
    local from_lane = math.min(count, want)
    claim(from_lane > 0 and redis.call("LPOP", lane_keys[place], from_lane) or {})
    if some_special and lanes[place] == "normal" then
      want = want - claim_ring("", math.min(count, want), held, claims)
    end
  end
end

-- Up to `most` from rings whose limits allow something, as the worker has permits for; said again, with those that are left.
local function claim_permitted(most)
  local enough = want - most
  for i = starts[9], starts[10] - 1, 2 do
    local first, before = #claims / 2, from_rings[i - starts[9] + 2] or 0
    local permits = tonumber(ARGV[i + 1]) - before
    local count, some_stay = claim_ring(ARGV[i], math.min(permits, want - enough), held, claims)
    want = want - count
    if count == 0 and some_stay then
      redis.call("ZADD", key.rings, "XX", now + bounds.suspects_wait, ARGV[i])
    end
    from_rings[#from_rings + 1] = first
    from_rings[#from_rings + 1] = count
  end
end

-- Takes up to `most` from some lanes, the first ones first. Entries of tasks that ended are passed over, a bounded
-- number of times.
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

local function claim_rest()
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

-- Where limited tasks and others wait, they share, so that neither is behind the other's backlog. A single claim goes to one
-- or the other as the clock has it.
local function claim_by_turns()
  local some_permits = want > 0 and starts[9] < starts[10]
  local share = some_permits and (filled > 0 or redis.call("EXISTS", key.ready("")) == 1)
  claim_permitted(share and math.floor((want + math.floor(now / 2) % 2) / 2) or want)
  if want > 0 then
    claim_rest()
  end
  if share then
    claim_permitted(want)
  end
end

local function note_starts()
  if listened_epoch == nil then
    listened_by(control[6])
  end
  for i = 1, listened_epoch and #claims or 0, 2 do
    note_start(claims[i], claims[i + 1], worker)
  end
end

-- Rings with limits that have work, for which permits are worth asking. Says when there is something to do next.
local function look_at_rings(due)
  for i = starts[10], starts[11] - 1, 2 do
    redis.call("ZADD", key.rings, "XX", now + tonumber(ARGV[i + 1]), ARGV[i])
  end
  if not some_special or redis.call("EXISTS", key.rings) == 0 or paused then
    return due
  end
  local names = redis.call("ZRANGEBYSCORE", key.rings, "-inf", now, "LIMIT", 0, bounds.rings)
  for _, ring_name in ipairs(names) do
    local box = redis.call("LINDEX", key.ready(ring_name), 0)
    if box then
      some_ring = true
      rings[#rings + 1] = ring_name
      rings[#rings + 1] =
        math.min(bounds.ring_waiting, math.max(redis.call("LLEN", key.ready(ring_name)), redis.call("LLEN", key.box(box))))
      -- There may be more than are told at once: those that were told last come last.
      if #names == bounds.rings then
        redis.call("ZADD", key.rings, "XX", now, ring_name)
      end
    else
      redis.call("ZREM", key.rings, ring_name)
    end
  end
  local next_ring = redis.call("ZRANGEBYSCORE", key.rings, "(" .. digits(now), "+inf", "WITHSCORES", "LIMIT", 0, 1)
  return next_ring[2] and sooner(due, tonumber(next_ring[2])) or due
end

-- Work is left only where all that was asked for was there, or where the search among stale entries was given up; a
-- full worker leaves the limited rings to others.
local function work_is_left()
  return redis.call("EXISTS", unpack(lane_keys)) > 0
    or some_special
    and (redis.call("EXISTS", key.ready(""), key.suspects) > 0 or (some_ring and asked == 0))
end

-- Claims all of it, and rings for others where work is left. Says when there is something to do next.
local function claim_all(due)
  heed_pause()
  due = heed_rate(due)
  -- Most partitions have none of these: then nothing more is asked about any of them.
  some_special = redis.call("EXISTS", key.suspects, key.ready(""), key.rings, key.outbox) > 0
  suspects.from, suspects.may_take = crashes_suspect, ARGV[12] == "1"
  if some_special and want > 0 and suspects.may_take then
    claim_suspect()
  end
  -- How many lanes have something: what is alone shares with nobody.
  filled = want > 0 and redis.call("EXISTS", unpack(lane_keys)) or 0
  if filled > (some_special and 0 or 1) and ARGV[11] ~= "" then
    claim_shares()
  end
  claim_by_turns()
  if #claims > 0 then
    note_starts()
  end
  if rate and #claims > 0 then
    add(rate, now, #claims / 2)
    redis.call("HSET", key.control, "rateUsed", text_of(rate))
  end
  due = look_at_rings(due)
  if suspects.left or (not paused and not capped and (want == 0 or given_up) and work_is_left()) then
    ring()
  end
  return due
end
