-- What a message meets that arrives at a box. Needs: calls, records, boxes.

-- How many entries of what has ended one look at a box takes away.
local stale_max = 100

-- Whether something living waits in a box. What has ended is taken from its head.
local function has_work(name)
  for _ = 1, stale_max do
    local first = redis.call("LINDEX", key.box(name), 0)
    if not first then
      return false
    elseif is_current(records_of({ first })[1], first) then
      return true
    end
    redis.call("LPOP", key.box(name))
  end
  return true
end

-- The message that an agent is handling: the first one with a note, else the first of those that were claimed together.
local function what_runs(name)
  local taken = redis.call("ZRANGEBYSCORE", key.taken(name), 0, "+inf")
  for i, note in ipairs(#taken > 0 and ask("HMGET", key.running, taken) or {}) do
    if note then
      return id_of(taken[i])
    end
  end
  return taken[1] and id_of(taken[1])
end
