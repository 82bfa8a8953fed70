#!lua flags=allow-oom
--[[
  Read what has ended, and ask for hints about what has not. It may run when memory is full: a result can be read
  then too, and the few names it writes are bounded.

  KEYS[1]  base     string  the partition's key prefix
  ARGV[1]  channel  string  the reply channel that wants a hint at each event and at the end; "" for none
  then ids

  Returns for each id its record, 1 when it lives, or false when it is not there.
]]
--- @include "calls"
--- @include "records"
--- @include "watchers"

local watchers_max = 32

local ids, replies, living = {}, {}, {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
local records = records_or_letters_of(ids)
for i = 1, #ids do
  local record = records[i]
  if record and string.byte(record) == 81 then
    replies[i] = 1
    living[#living + 1] = ids[i]
  else
    replies[i] = record or false
  end
end
if ARGV[1] ~= "" and #living > 0 then
  local write = {}
  for i, names in ipairs(ask("HMGET", key.watched, living)) do
    local channels, kept = { ARGV[1] }, ARGV[1]
    for name in string.gmatch(names or "", "%S+") do
      -- A process that died without a word leaves its name behind: the oldest names go first.
      if name ~= ARGV[1] and #channels < watchers_max then
        channels[#channels + 1] = name
        kept = kept .. " " .. name
      end
    end
    write[#write + 1] = living[i]
    write[#write + 1] = kept
  end
  note_watchers(write)
end
return replies
