-- Boxes and rings. A box is `<ring>|<key>`; its field in `boxes` is its limit, then `o` when it is ordered and `r`
-- while it is in its ring. Needs: records.
--
-- The box of an agent is `<ring>|~<address>`: it runs one message at a time, but hands out up to a quantum of them at
-- once, to be run one after the other; one that a worker died with goes alone. What comes back stands in the order in
-- which it was claimed, in however many pieces it comes.
local quantum, ring_rounds = 10, 64

-- The address of the agent that a box is of, if it is one's.
local function agent_of(name)
  return string.match(name, "^[^|]*|~([^/]+/.*)$")
end

-- Agents whose messages were claimed, each followed by the revision of its state.
local activated
at_start(function()
  activated = {}
end)

-- What a turn may claim of suspects, those that `from` workers died with: one, where `may_take`. Whether it has one, and has
-- left another one behind since.
local suspects
at_start(function()
  suspects = { from = math.huge, may_take = false, has_one = false, left = false }
end)

-- How much of a box's room is taken. What came back to an agent's box keeps its rank below 0 while others of its claim are out.
local function taken_of(name)
  if not agent_of(name) then
    return redis.call("ZCARD", key.taken(name))
  end
  local last = redis.call("ZRANGE", key.taken(name), -1, -1, "WITHSCORES")
  if last[2] and tonumber(last[2]) < 0 then
    redis.call("DEL", key.taken(name))
    return 0
  end
  return last[1] and 1 or 0
end

-- Puts a message back into its agent's box: behind those that were claimed before it and have come back already.
local function put_back(name, entry, rank)
  redis.call("ZADD", key.taken(name), -rank, entry)
  local some, before = redis.call("LRANGE", key.box(name), 0, quantum - 1), nil
  for i, other in ipairs(#some > 0 and ask("ZMSCORE", key.taken(name), some) or {}) do
    if other and math.abs(tonumber(other)) < rank then
      before = some[i]
    end
  end
  if before then
    redis.call("LINSERT", key.box(name), "AFTER", before, entry)
  else
    redis.call("LPUSH", key.box(name), entry)
  end
end

-- A hash of few short fields is a list to Redis, where each look is a search: a long one makes it a table.
local table_field, table_value = "", string.rep(" ", 65)

local function say_boxes(configs)
  if #configs > 0 then
    send("HSET", key.boxes, configs)
    redis.call("HSETNX", key.boxes, table_field, table_value)
  end
end

-- What `boxes` says of a box: its limit, or nothing when it is forgotten, and its flags.
local function read_box(config)
  if not config then
    return nil, ""
  end
  local limit, flags = string.match(config, "^(%d+)(.*)$")
  return tonumber(limit), flags
end

local some_paused
at_start(function()
  some_paused = nil
end)
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

-- Looks at boxes, each named once: one with work and room goes into its ring if it is not there, one that has neither
-- work nor run is forgotten.
local function mark_ready(names)
  if #names == 0 then
    return
  end
  local configs, gone, rings, order = {}, {}, {}, {}
  for i, config in ipairs(ask("HMGET", key.boxes, names)) do
    local name = names[i]
    local limit, flags = read_box(config)
    if limit and not find(flags, "r", 1, true) then
      if redis.call("EXISTS", key.box(name)) == 0 then
        if taken_of(name) == 0 then
          gone[#gone + 1] = name
        end
      elseif (limit == 0 or taken_of(name) < limit) and not is_paused(name) then
        configs[#configs + 1] = name
        configs[#configs + 1] = config .. "r"
        local ring = sub(name, 1, find(name, "|", 1, true) - 1)
        if not rings[ring] then
          order[#order + 1], rings[ring] = ring, {}
        end
        table.insert(rings[ring], name)
      end
    end
  end
  if #gone > 0 then
    send("HDEL", key.boxes, gone)
    if redis.call("HLEN", key.boxes) == 1 then
      redis.call("DEL", key.boxes)
    end
  end
  say_boxes(configs)
  for _, ring in ipairs(order) do
    send("RPUSH", key.ready(ring), rings[ring])
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
      redis.call("HSETNX", key.boxes, table_field, table_value)
      local rank = agent_of(name) and redis.call("ZSCORE", key.taken(name), boxed[k])
      if rank then
        put_back(name, boxed[k], tonumber(rank))
      else
        local kept = redis.call("ZREM", key.taken(name), boxed[k]) == 1
        redis.call((at_head or kept) and "LPUSH" or "RPUSH", key.box(name), boxed[k])
      end
      if not seen[name] then
        seen[name] = true
        touched[#touched + 1] = name
      end
    end
  end
  mark_ready(touched)
end

-- Gives up the room of entries that run no more, each for its next run. An ordered box keeps it for that.
local function give_up_room(entries, nexts)
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
  local touched, seen, names = {}, {}, boxes_of(ids)
  for k = 1, #boxed do
    local name = names[k]
    local rank = name and redis.call("ZSCORE", key.taken(name), boxed[k])
    if rank then
      redis.call("ZREM", key.taken(name), boxed[k])
      local _, flags = read_box(redis.call("HGET", key.boxes, name))
      if find(flags, "o", 1, true) then
        redis.call("ZADD", key.taken(name), rank, nexts[at[k]])
      elseif not seen[name] then
        seen[name] = true
        touched[#touched + 1] = name
      end
    end
  end
  mark_ready(touched)
end

-- Those of some entries of a box that go at once, and their records. A turn takes one suspect at most. What a worker died with
-- goes alone among an agent's messages, and nothing of an ordered box passes over what is before it. The others go back to the
-- head of the box.
local function together(name, entries, records, in_order, is_agent)
  local some_again = false
  for i = 1, #entries do
    some_again = some_again or sub(entries[i], 28) ~= "1"
  end
  -- A first run has no death behind it.
  if not some_again then
    return entries, records
  end
  local going, their_records, staying, is_over = {}, {}, {}, false
  for i, entry in ipairs(entries) do
    local crashes = tonumber(string.match(records[i], "^Q%a%d+%.(%d+)"))
    local stays = is_over or (is_agent and crashes > 0 and i > 1)
    if crashes >= suspects.from and not stays then
      stays, suspects.left = not suspects.may_take, suspects.has_one
      suspects.may_take, suspects.has_one = false, suspects.has_one or not stays
    end
    if stays then
      staying[#staying + 1] = entry
    else
      going[#going + 1], their_records[#their_records + 1] = entry, records[i]
    end
    is_over = is_over or (stays and in_order) or (is_agent and crashes > 0)
  end
  for i = #staying, 1, -1 do
    redis.call("LPUSH", key.box(name), staying[i])
  end
  return going, their_records
end

-- Claims up to `want` entries from the boxes of a ring, each box a quantum at a time. Appends entry and record to
-- `claims` and says how many it claimed, and whether some were left behind. The boxes of one round are popped, read and put
-- back together; one with something left behind is not looked at again by this claim.
local function claim_ring(ring, want, held, claims)
  local ready, claimed, rounds, put_off = key.ready(ring), 0, ring_rounds, {}
  while claimed < want and rounds > 0 do
    local names = redis.call("LPOP", ready, math.min(want - claimed, rounds))
    if not names then
      if ring ~= "" then
        redis.call("ZREM", key.rings, ring)
      end
      break
    end
    rounds = rounds - #names
    local configs = ask("HMGET", key.boxes, names)
    local popped, free, said, picked, visited = {}, {}, {}, {}, #names
    for k = 1, #names do
      local left = want - claimed - #picked
      if left == 0 then
        visited = k - 1
        break
      end
      local name = names[k]
      local limit, flags = read_box(configs[k])
      limit = limit or 0
      local room = limit == 0 and left or limit - taken_of(name)
      local count = math.min(room > 0 and agent_of(name) and quantum or room, left)
      -- Where no other box waits for its turn, there is nobody to be fair to.
      if count > quantum and (k < #names or redis.call("EXISTS", ready) == 1) then
        count = quantum
      end
      popped[k] = count > 0 and not is_paused(name) and redis.call("LPOP", key.box(name), count) or {}
      for _, entry in ipairs(popped[k]) do
        picked[#picked + 1] = entry
      end
      free[k] = limit > 0 and room
      said[2 * k - 1], said[2 * k] = name, limit .. string.gsub(flags, "r", "")
    end
    local back = {}
    for k = #names, visited + 1, -1 do
      back[#back + 1], names[k] = names[k], nil
    end
    send("LPUSH", ready, back)

    local found, at, all, looked = records_of(picked), 0, {}, {}
    for k = 1, visited do
      local valid, records = {}, {}
      for _, entry in ipairs(popped[k]) do
        at = at + 1
        if is_current(found[at], entry) then
          valid[#valid + 1], records[#records + 1] = entry, found[at]
        end
      end
      local agent, found_valid = agent_of(names[k]), #valid
      valid, records = together(names[k], valid, records, find(said[2 * k], "o", 1, true), agent)
      if agent and #valid > 0 then
        activated[#activated + 1] = agent
        activated[#activated + 1] = redis.call("HGET", key.agent(agent), "revision") or "0"
      end
      local ranked = {}
      for i = 1, #valid do
        ranked[2 * i - 1], ranked[2 * i] = i, valid[i]
        all[#all + 1] = valid[i]
        claims[#claims + 1] = valid[i]
        claims[#claims + 1] = records[i]
      end
      if free[k] then
        send("ZADD", key.taken(names[k]), ranked)
      end
      -- One without room has neither a place in the ring nor is it forgotten.
      if not free[k] or #valid < free[k] then
        local list = #valid < found_valid and put_off or looked
        list[#list + 1] = names[k]
      end
    end
    claimed = claimed + #all
    send("SADD", held, all)
    say_boxes(said)
    mark_ready(looked)
  end
  mark_ready(put_off)
  return claimed, #put_off > 0
end
