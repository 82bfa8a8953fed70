-- Segments none of whose tasks live any more: how long they are kept, and how they go. Needs: clock, calls.
--
-- One name for all of it, since the largest script has as many as Lua takes.
local segments = {}

do
  -- How long after its retention a segment goes by itself, should no janitor live; and one that parents may remember tasks of.
  local forsaken, forsaken_remembered = 3600000, 2678400000

  function segments.is_remembered(segment)
    return redis.call("EXISTS", key.parents(segment)) == 1
  end

  -- It waits for the parents, and a janitor asks what became of them.
  function segments.wait_for_parents(segment)
    -- While a task of it lives it has no time at all.
    if redis.call("PEXPIRE", key.task(segment), forsaken_remembered, "GT") == 1 then
      redis.call("PEXPIRE", key.parents(segment), forsaken_remembered)
    end
  end

  -- A child has ended that its parent may remember: it is kept as long as that lives.
  function segments.keep_for(parent, child)
    local segment = string.sub(child, 1, 8)
    redis.call("SADD", key.parents(segment), parent)
    segments.wait_for_parents(segment)
  end

  -- A segment has fewer living tasks. One without any gets its time to go.
  function segments.leave(segment, count, now, retention)
    if redis.call("HINCRBY", key.live, segment, -count) <= 0 then
      redis.call("HDEL", key.live, segment)
      if redis.call("PEXPIRE", key.task(segment), digits(retention + forsaken)) == 1 then
        redis.call("ZADD", key.kept, now + retention, segment)
        if segments.is_remembered(segment) then
          segments.wait_for_parents(segment)
        end
      else
        redis.call("ZREM", key.segments, segment)
      end
    end
  end

  -- Which of some may go, `most` at most, and which stay, since parents may remember tasks of them.
  function segments.that_may_go(names, most)
    local going, stay = {}, {}
    for _, segment in ipairs(names) do
      if #going == most then
        break
      elseif segments.is_remembered(segment) then
        stay[#stay + 1] = segment
      else
        going[#going + 1] = segment
      end
    end
    return going, stay
  end

  function segments.drop(names)
    for _, segment in ipairs(names) do
      -- UNLINK frees in the background: 50 000 fields freed at once would hold everybody up for some 10 ms.
      redis.call("UNLINK", key.task(segment))
    end
    send("ZREM", key.kept, names)
    send("ZREM", key.segments, names)
  end
end
