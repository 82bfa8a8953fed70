#!lua flags=allow-oom
--[[
  Put dead letters back to work: each one whose record is what the caller has read becomes a living task again, under its
  next run. It may run when memory is full: a record only moves.

  KEYS[1]  base  string  the partition's key prefix
  then of each letter  id, record as it was read, record of its next run, its entry, its box or "", the box's limit, "o"
                       when it is ordered, "c" when its end is to be told to a URL or "", its parent of this partition or "";
                       where that lives, it has this child again

  Returns the ids of those that went, now or in an earlier call.
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "keep"
--- @include "ties"

local fields = 9

-- The parent as it was said, where it may wait for its child.
local function living_parent(parent)
  local id = string.match(parent, "(%w+)$")
  local record = id and records_of({ id })[1]
  return record and byte(record) == 81 and id
end

local went, entries, writes, ids, seen, ties, adopted = {}, {}, {}, {}, {}, {}, {}
for at = 1, #ARGV, fields do
  local id, expected, record = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local letter = not seen[id] and redis.call("HGET", key.letters, id)
  if letter == expected then
    local segment = sub(id, 1, 8)
    seen[id] = true
    went[#went + 1] = id
    ids[#ids + 1] = id
    entries[#entries + 1] = ARGV[at + 3]
    writes[segment] = writes[segment] or {}
    table.insert(writes[segment], id)
    table.insert(writes[segment], record)
    local parent = living_parent(ARGV[at + 8])
    if parent then
      adopted[at] = parent
    end
    if ARGV[at + 4] ~= "" or ARGV[at + 7] ~= "" or parent then
      ties[#ties + 1] = at
    end
  elseif not seen[id] and redis.call("HGET", key.task(sub(id, 1, 8)), id) == record then
    seen[id] = true
    went[#went + 1] = id
  end
end

if #ids > 0 then
  send("HDEL", key.letters, ids)
  send("ZREM", key.dead, ids)
  keep_records(writes)
  for _, at in ipairs(ties) do
    local parent = adopted[at] and ARGV[at + 8] or ""
    keep_ties(ARGV[at], lines_of(ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], parent, "", "", ARGV[at + 7]), "", "")
    if adopted[at] then
      redis.call("SADD", key.children(adopted[at]), string.match(base, "{(.-)}") .. "." .. ARGV[at])
    end
  end
  store_ties()
  put(entries, false)
  ring()
  for _, id in ipairs(is_listened() and ids or {}) do
    local record = records_of({ id })[1]
    note_life("retrying", id, tonumber(string.match(record, "^%a%a(%d+)")) - 1, record, "")
  end
end
return went
