-- How much memory segments without living tasks take. Needs: calls.

-- Measures a segment, and remembers it.
local function size_of(segment)
  local bytes = redis.call("MEMORY", "USAGE", key.task(segment), "SAMPLES", 5) or 0
  redis.call("HSET", key.sizes, segment, bytes)
  return bytes
end

-- Forgets segments that have gone.
local function forget_sizes(segments)
  if #segments == 0 or redis.call("EXISTS", key.sizes) == 0 then
    return
  end
  if redis.call("EXISTS", key.kept) == 0 then
    redis.call("UNLINK", key.sizes)
    return
  end
  local sum = 0
  for _, bytes in ipairs(ask("HMGET", key.sizes, segments)) do
    sum = sum + (bytes or 0)
  end
  send("HDEL", key.sizes, segments)
  redis.call("HINCRBY", key.sizes, "total", -sum)
end
