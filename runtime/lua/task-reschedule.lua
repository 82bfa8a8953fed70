#!lua flags=allow-oom
--[[
  Set another time for a task that waits for its time, whether it was delayed or is to be tried again. Where that time has come
  it goes to its mailbox at once, as it would if it had fallen due.

  A call said again finds it at that time, and changes nothing; where it says how much later, it counts from when it is said last.
  It may run when memory is full: what runs frees some.

  KEYS[1]  base       string  the partition's key prefix
  ARGV[1]  id         string
  ARGV[2]  due        ms      a Unix time, or +<delay>
  ARGV[3]  retention  ms      how long outcomes and streams are kept

  Returns
    0                      there is no such task
    {"moved", due, run, now}  it is due then, in ms; its next run; the clock in ms
    {"over", alarm, at}    its expiry ("!") or its deadline ("#") is not later than that, in ms; nothing was changed
    {"no", place, now}     it does not wait for its time: "lane" (or a box), "held", "waiting" (for its children), or how it
                           has ended, "S", "F", "C", "E"; the clock in ms
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "segments"
--- @include "finish"
--- @include "end-early"
--- @include "keep"
--- @include "ties"

local id, now = ARGV[1], clock()
local record = records_or_letters_of({ id })[1]
if not record then
  return 0
elseif byte(record) ~= 81 then
  return { "no", sub(record, 1, 1), now }
end
local entry = id .. string.match(record, "^Q(%a%d+)")
local before = redis.call("ZSCORE", key.later, entry)
if not before then
  local waits = redis.call("HEXISTS", key.waiting, id) == 1
  return { "no", waits and "waiting" or holder_of(entry) and "held" or "lane", now }
end
local run = run_of(entry)
local due = sub(ARGV[2], 1, 1) == "+" and now + tonumber(ARGV[2]) or math.max(now, tonumber(ARGV[2]))
for _, alarm in ipairs(run == 1 and { "!", "#" } or { "#" }) do
  local at = redis.call("ZSCORE", key.later, alarm .. id)
  if at and tonumber(at) <= due then
    return { "over", alarm, tonumber(at) }
  end
end
if tonumber(before) == due and due > now then
  return { "moved", due, run, now }
end

local first = redis.call("ZRANGE", key.later, 0, 0, "WITHSCORES")
record = with_due(record, due)
redis.call("HSET", key.task(sub(id, 1, 8)), id, record)
keep_guards(id, digits(due - now + tonumber(ARGV[3])))
if due > now then
  redis.call("ZADD", key.later, due, entry)
else
  redis.call("ZREM", key.later, entry)
  put({ entry }, false)
end
-- Idle workers sleep until the next due time they know of.
if due < tonumber(first[2]) or due <= now then
  ring()
end
tell_watchers({ id }, false)
if is_listened() then
  note_life("rescheduled", id, run - 1, record, '{"dueAt":' .. digits(due) .. "}")
end
return { "moved", due, run, now }
