#!lua flags=allow-oom
--[[
  Change one access key, or put a new one there, if it still is what it was read as. Runs when memory is full: a key must
  always be revocable.

  KEYS[1]  base  string   the key prefix of the partition of access
  ARGV[1]  id    string   the key's
  ARGV[2]  from  string   the text it was read as; "" when there is to be none
  ARGV[3]  to    string   its text from now on
  ARGV[4]  salt  string   becomes the system's where it has none
  ARGV[5]  most  integer  how many keys there may be

  Returns
     1   changed, now or by an earlier call
     0   it is not what it was read as; nothing was written
    -1   there are as many as there may be; nothing was written
]]

local text = redis.call("HGET", key.access, ARGV[1]) or ""
if text == ARGV[3] then
  return 1
end
if text ~= ARGV[2] then
  return 0
end
-- One field is the salt.
if text == "" and redis.call("HLEN", key.access) > tonumber(ARGV[5]) then
  return -1
end
redis.call("HSETNX", key.access, "salt", ARGV[4])
redis.call("HSET", key.access, ARGV[1], ARGV[3])
return 1
