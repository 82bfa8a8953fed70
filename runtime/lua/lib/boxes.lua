-- Boxes and rings. A box is `<ring>|<key>`; its field in `boxes` is its limit, then `o` when it is ordered and `r`
-- while it is in its ring. Needs: records.
--
-- The box of an agent is `<ring>|~<address>`: it runs one message at a time, but hands out up to a quantum of them at
-- once, to be run one after the other; one that a worker died with goes alone.
local quantum, ring_rounds = 10, 64

-- The address of the agent that a box is of, if it is one's.
local function agent_of(name)
  return string.match(name, "^[^|]*|~([^/]+/.*)$")
end

-- Agents whose messages were claimed, each followed by the revision of its state.
local activated = {}

-- Whether a worker died with the task of this record.
local function has_crashed(record)
  return string.match(record, "^Q%a%d+%.(%d+)") ~= "0"
end

local function box_of(name)
  local value = redis.call("HGET", key.boxes, name)
  if not value then
    return nil, ""
  end
  local limit, flags = string.match(value, "^(%d+)(.*)$")
  return tonumber(limit), flags
end

local some_paused
local function is_paused(name)
  if some_paused == nil then
    some_paused = redis.call("EXISTS", key.pausedKeys) == 1
  end
  return some_paused and redis.call("SISMEMBER", key.pausedKeys, sub(name, find(name, "|", 1, true) + 1)) == 1
end

-- The boxes that ids wait in, in their order, and what was said of each when the task was submitted; false for one
-- that waits in none.
local function boxes_of(ids)
  local names, configs = {}, {}
  for i, lines in ipairs(ask("HMGET", key.ties, ids)) do
    local config, name = string.match("\n" .. (lines or ""), "\nb(%d+o?) ([^\n]*)")
    names[i], configs[i] = name or false, config
  end
  return names, configs
end

-- Puts a box into its ring if it has work and room and is not there; forgets one that has neither work nor run.
local function mark_ready(name)
  local limit, flags = box_of(name)
  if not limit or find(flags, "r", 1, true) then
    return
  end
  if redis.call("EXISTS", key.box(name)) == 0 then
    if redis.call("EXISTS", key.taken(name)) == 0 then
      redis.call("HDEL", key.boxes, name)
    end
  elseif (limit == 0 or redis.call("SCARD", key.taken(name)) < limit) and not is_paused(name) then
    local ring = sub(name, 1, find(name, "|", 1, true) - 1)
    redis.call("HSET", key.boxes, name, limit .. flags .. "r")
    redis.call("RPUSH", key.ready(ring), name)
    if ring ~= "" then
      redis.call("ZADD", key.rings, "NX", 0, ring)
    end
  end
end

-- Puts entries into the mailboxes they wait in: at the tail, or at the head in their order. One that kept its place
-- in an ordered box goes to its head.
local function put(entries, at_head)
  local lists, boxed, ids = {}, {}, {}
  for i = 1, #entries do
    local entry = entries[i]
    if is_boxed(entry) then
      boxed[#boxed + 1] = entry
      ids[#ids + 1] = id_of(entry)
    else
      local lane = lane_of_entry(entry)
      lists[lane] = lists[lane] or {}
      lists[lane][#lists[lane] + 1] = entry
    end
  end
  for lane, list in pairs(lists) do
    if at_head then
      local reversed, size = {}, #list
      for i = 1, size do
        reversed[i] = list[size + 1 - i]
      end
      send("LPUSH", key.lane(lane), reversed)
    else
      send("RPUSH", key.lane(lane), list)
    end
  end
  if #boxed == 0 then
    return
  end
  local touched, seen, names, configs = {}, {}, boxes_of(ids)
  for i = 1, #boxed do
    -- The head takes them one after the other, so the last of them goes first.
    local k = at_head and #boxed + 1 - i or i
    local name = names[k]
    if name then
      -- While none of its tasks waited or ran it was forgotten.
      redis.call("HSETNX", key.boxes, name, configs[k])
      local kept = redis.call("SREM", key.taken(name), boxed[k]) == 1
      redis.call((at_head or kept) and "LPUSH" or "RPUSH", key.box(name), boxed[k])
      if not seen[name] then
        seen[name] = true
        touched[#touched + 1] = name
      end
    end
  end
  for _, name in ipairs(touched) do
    mark_ready(name)
  end
end

-- Gives up the room of entries that run no more, each for its next run. An ordered box keeps it for that, and so does
-- any box where `keeps[i]` says so.
local function give_up_room(entries, nexts, keeps)
  local boxed, ids, at = {}, {}, {}
  for i = 1, #entries do
    if is_boxed(entries[i]) then
      boxed[#boxed + 1] = entries[i]
      ids[#ids + 1] = id_of(entries[i])
      at[#at + 1] = i
    end
  end
  if #boxed == 0 then
    return
  end
  local touched, names = {}, boxes_of(ids)
  for k = 1, #boxed do
    local name = names[k]
    if name and redis.call("SREM", key.taken(name), boxed[k]) == 1 then
      local _, flags = box_of(name)
      if keeps[at[k]] or find(flags, "o", 1, true) then
        redis.call("SADD", key.taken(name), nexts[at[k]])
      else
        touched[#touched + 1] = name
      end
    end
  end
  for _, name in ipairs(touched) do
    mark_ready(name)
  end
end

-- Claims up to `want` entries from the boxes of a ring, each box a quantum at a time. Appends entry and record to
-- `claims` and says how many it claimed.
local function claim_ring(ring, want, held, claims)
  local ready, claimed = key.ready(ring), 0
  for _ = 1, ring_rounds do
    if claimed >= want then
      break
    end
    local name = redis.call("LPOP", ready)
    if not name then
      if ring ~= "" then
        redis.call("ZREM", key.rings, ring)
      end
      break
    end
    local limit, flags = box_of(name)
    limit, flags = limit or 0, string.gsub(flags, "r", "")
    -- Where no other box waits for its turn, there is nobody to be fair to.
    local turn = redis.call("EXISTS", ready) == 1 and quantum or want
    local room = limit == 0 and turn or limit - redis.call("SCARD", key.taken(name))
    local agent = agent_of(name)
    if agent and room > 0 then
      room = quantum
    end
    local count = is_paused(name) and 0 or math.min(turn, room, want - claimed)
    local entries = count > 0 and redis.call("LPOP", key.box(name), count) or {}
    local found, valid = records_of(entries), {}
    local rest = #entries + 1
    for i = 1, #entries do
      if is_current(found[i], entries[i]) then
        local alone = agent and has_crashed(found[i])
        if alone and #valid > 0 then
          rest = i
          break
        end
        valid[#valid + 1] = entries[i]
        claims[#claims + 1] = entries[i]
        claims[#claims + 1] = found[i]
        if alone then
          rest = i + 1
          break
        end
      end
    end
    for i = #entries, rest, -1 do
      redis.call("LPUSH", key.box(name), entries[i])
    end
    if agent and #valid > 0 then
      activated[#activated + 1] = agent
      activated[#activated + 1] = redis.call("HGET", key.agent(agent), "revision") or "0"
    end
    claimed = claimed + #valid
    send("SADD", held, valid)
    if limit > 0 then
      send("SADD", key.taken(name), valid)
    end
    redis.call("HSET", key.boxes, name, limit .. flags)
    mark_ready(name)
  end
  return claimed
end
