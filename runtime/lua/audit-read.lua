#!lua flags=no-writes
--[[
  Read what operators have done, the newest first.

  KEYS[1]  base    string   the key prefix of the partition of access
  ARGV[1]  before  string   an entry's id, which is not told again; "" for the newest
  ARGV[2]  most    integer  how many

  Returns pairs of id and JSON.
]]

local from = ARGV[1] == "" and "+" or "(" .. ARGV[1]
local told = {}
for _, entry in ipairs(redis.call("XREVRANGE", key.audit, from, "-", "COUNT", ARGV[2])) do
  told[#told + 1] = entry[1]
  told[#told + 1] = entry[2][2]
end
return told
