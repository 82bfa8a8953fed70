#!lua flags=no-writes
--[[
  Read one access key, or all of them.

  KEYS[1]  base  string  the key prefix of the partition of access
  ARGV[1]  id    string  the key's; "" for all

  Returns for one: the salt, "" where there never was a key, and the key's text or nil. For all: their texts.
]]

if ARGV[1] == "" then
  local all = {}
  local fields = redis.call("HGETALL", key.access)
  for at = 1, #fields, 2 do
    if fields[at] ~= "salt" then
      all[#all + 1] = fields[at + 1]
    end
  end
  return all
end
local salt, text = unpack(redis.call("HMGET", key.access, "salt", ARGV[1]))
return { salt or "", text }
