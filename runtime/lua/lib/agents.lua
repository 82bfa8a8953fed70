-- What messages did to their agents. Needs: calls, records, boxes, finish, end-early.
--
-- A message counts only on the state it was handled with, timers included. The revision of a state is the entry of the
-- message that wrote it, so the next message knows it before it is stored.
local revisions, written
at_start(function()
  revisions, written = {}, {}
end)

-- Whether the state that a message was handled with is the one that is there, with all that this turn has accepted.
local function is_of_this_state(agent, base)
  revisions[agent] = revisions[agent] or redis.call("HGET", key.agent(agent), "revision") or "0"
  return revisions[agent] == base
end

-- From here on the next message of this turn counts on this state.
local function accept_state(entry, agent, state, version, timers)
  if state ~= "" or timers ~= "" then
    revisions[agent] = entry
    written[agent] = written[agent] or {}
    if state ~= "" then
      written[agent] = { "state", state, "version", version }
    end
  end
end

-- Stores the states that were accepted, each once.
local function store_states(now)
  for agent, fields in pairs(written) do
    redis.call("HSET", key.agent(agent), "revision", revisions[agent], "at", digits(now), unpack(fields))
    redis.call("ZADD", key.agents, 0, agent)
  end
end

-- Timers of an agent, a line each: `+<id> <name>` sets one in place of the earlier one of its name, `-<name>` cancels it,
-- `=<name>` forgets it when it is this message's own.
local function set_timers(entry, agent, lines, now, retention)
  local hash, over = key.agent(agent), {}
  for line in string.gmatch(lines, "[^\n]+") do
    local sign, rest = sub(line, 1, 1), sub(line, 2)
    local name = sign == "+" and sub(rest, 28) or rest
    local earlier = redis.call("HGET", hash, "timer:" .. name)
    if sign == "=" then
      if earlier == id_of(entry) then
        redis.call("HDEL", hash, "timer:" .. name, "timerof:" .. earlier)
      end
    else
      if earlier then
        over[#over + 1] = earlier
        redis.call("HDEL", hash, "timer:" .. name, "timerof:" .. earlier)
      end
      if sign == "+" then
        local id = sub(rest, 1, 26)
        redis.call("HSET", hash, "timer:" .. name, id, "timerof:" .. id, name)
      end
    end
  end
  end_early(over, "C", '{"type":"Superseded","message":"its agent has set or cancelled this timer"}', now, retention)
end
