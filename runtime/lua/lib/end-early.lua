-- Ends living tasks before their time, wherever they are. Needs: clock, finish.

-- The worker that holds an entry, or nothing.
local function holder_of(entry)
  for _, worker in ipairs(redis.call("ZRANGE", key.workers, 0, -1)) do
    if redis.call("SISMEMBER", key.held(worker), entry) == 1 then
      return worker
    end
  end
end

-- Ends tasks with an outcome of this letter and error (JSON). Whoever runs one is told to stop; its entry is no longer
-- held, so that nothing it still says counts. An entry left in a mailbox is passed over when it is claimed. Gives the
-- ids that were alive.
local function end_early(ids, letter, error, now, retention)
  local ended, outcomes = {}, {}
  for i, record in ipairs(records_of(ids)) do
    if record and byte(record) == 81 then
      local head, crashes, json = string.match(record, "^Q(%a%d+)%.([^{]+)(.*)$")
      local entry = ids[i] .. head
      local worker, began = holder_of(entry), ""
      if worker then
        local started = started_in(redis.call("HGET", key.running, entry))
        began = started == "" and "" or ',"startedAt":' .. started
        redis.call("SREM", key.held(worker), entry)
        redis.call("HDEL", key.running, entry)
        redis.call("SPUBLISH", key.orders(worker), "stop " .. entry)
        -- Its first run may have left a stream that nobody will tell of.
        redis.call("PEXPIRE", key.events(ids[i]), digits(retention))
      else
        redis.call("ZREM", key.later, entry)
        without_run[ids[i]] = true
      end
      ended[#ended + 1] = ids[i]
      outcomes[#outcomes + 1] = letter .. head .. "." .. crashes .. '{"task":' .. json .. ',"worker":"'
        .. (worker or "") .. '"' .. began .. ',"finishedAt":' .. digits(now) .. ',"error":' .. error .. "}"
    end
  end
  if #ended > 0 then
    finish(ended, outcomes, now, retention)
    count_ends(letter, #ended, now)
  end
  return ended
end
