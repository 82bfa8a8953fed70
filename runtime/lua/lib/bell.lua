-- Rings the bell if it is silent. One token wakes one idle worker, which rings again if it leaves work behind.
local function ring()
  if redis.call("LLEN", key.bell) == 0 then
    redis.call("RPUSH", key.bell, "1")
  end
end
