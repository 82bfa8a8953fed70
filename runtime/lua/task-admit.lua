#!lua
--[[
  Store a new task and point its guards at it, unless one of them holds.

  Whether a guard holds is judged by what the task it points at is now, so nobody has to release one. A call said again
  names the same task as it did before, so if that is there the call has been here. It may not run when memory is full:
  Redis refuses it before its first write.

  KEYS[1]   base       string  the partition's key prefix
  ARGV[1]   entry      string
  ARGV[2]   record     string
  ARGV[3]   due        ms      "" for at once, a Unix time, or +<delay>
  ARGV[4]   box        string  "" for none; then its limit, and "o" when it is ordered
  ARGV[7]   parent     id      "" for none
  ARGV[8]   expiry     ms      Unix time, or ""
  ARGV[9]   deadline   ms      Unix time, or ""
  ARGV[10]  callback   string  "c": its end is to be told to a URL; ""
  ARGV[11]  retention  ms      how long outcomes and streams are kept
  ARGV[12]  arrival    string  "reject": not while its box has work or runs; "interrupt": what runs is cancelled; ""
  then for each guard, in the order they are asked
    member  string  <kind>:<hash of its name>
    rule    string  idempotency: the hash of the input; unique: "started" or "ended", until when it holds; else ""
    kept    ms      how long it is kept from now on; "" for one that goes with its task
    after   ms      such a one: how long it is kept after its task's end

  Returns
    0                          stored, now or by an earlier call
    {id, member}               the task that a guard found
    {id}                       a task with the same idempotency key and another input
    {"d" | "a" | "k", limit}   what refuses it: the bound of depth, age, a key's depth
    {"q" | "b", address}       its agent, which is in quarantine or busy
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "arrivals"
--- @include "watchers"
--- @include "segments"
--- @include "finish"
--- @include "end-early"
--- @include "keep"
--- @include "ties"
--- @include "orphans"

local entry, due, box, retention = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[11])
local id, now = id_of(entry), clock()
local first_guard, fields_of_guard = 13, 4

if records_or_letters_of({ id })[1] then
  return 0
end

-- What a task is now: "waits" when no run of it has started, "runs" when one has, its state letter when it has ended.
local function standing_of(other)
  local record = records_or_letters_of({ other })[1]
  if not record then
    return "gone"
  end
  local head = string.match(record, "^Q(%a%d+)%.")
  if not head then
    return sub(record, 1, 1)
  end
  return sub(head, 2) == "1" and not holder_of(other .. head) and "waits" or "runs"
end

-- Whether a guard keeps this task out, and the task that takes its place; one that was debounced is given last.
local function judge(member, rule)
  local pointer = redis.call("GET", key.guard(member))
  if not pointer then
    return
  end
  local kind, first = string.match(member, "^(%a+)"), sub(pointer, 1, 26)
  if kind == "idempotency" then
    return sub(pointer, 28) == rule and "found" or "conflict", first
  elseif kind == "throttle" then
    return "found", first
  end
  local standing = standing_of(first)
  if kind == "debounce" then
    return standing == "waits" and "superseded" or nil, first
  elseif standing == "waits" or (standing == "runs" and rule ~= "started") then
    return "found", first
  elseif kind == "cache" and standing == "S" then
    return "found", first
  end
end

local function point(member, at, rule, kept, after)
  redis.call("SET", key.guard(member), at .. " " .. rule)
  if kept ~= "" then
    redis.call("PEXPIRE", key.guard(member), kept)
  else
    tie(at, "g" .. after .. ":" .. member)
  end
end

local superseded
for at = first_guard, #ARGV, fields_of_guard do
  local verdict, first = judge(ARGV[at], ARGV[at + 1])
  if verdict == "conflict" then
    return { first }
  elseif verdict == "found" then
    -- Whoever comes back with the same idempotency key is to find the same, when this guard holds no more.
    for other = first_guard, at - 1, fields_of_guard do
      if find(ARGV[other], "idempotency", 1, true) == 1 then
        point(ARGV[other], first, ARGV[other + 1], ARGV[other + 2], ARGV[other + 3])
      end
    end
    return { first, ARGV[at] }
  elseif verdict == "superseded" then
    superseded = first
  end
end

-- One that takes another's place needs no more room than that had.
local more = superseded and 0 or 1
local bound, limit = refusal(more, box ~= "" and { [box] = more } or {}, now)
if bound then
  return { bound, limit }
end
local agent = box ~= "" and agent_of(box)
if agent and is_paused(box) then
  return { "q", agent }
elseif ARGV[12] == "reject" and (redis.call("EXISTS", key.taken(box)) == 1 or has_work(box)) then
  return { "b", agent or box }
end

local before = redis.call("ZRANGE", key.later, 0, 0)[1]
if superseded then
  local error = '{"type":"Superseded","message":"' .. partition_name() .. "." .. id .. ' has taken its place"}'
  end_early({ superseded }, "C", error, now, retention)
end
if ARGV[12] == "interrupt" then
  local error = '{"type":"Interrupted","message":"' .. partition_name() .. "." .. id .. ' has come"}'
  end_early({ what_runs(box) }, "C", error, now, retention)
end
keep_records({ [sub(entry, 1, 8)] = { id, ARGV[2] } })
keep_ties(id, lines_of(box, ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]), ARGV[8], ARGV[9])
if box ~= "" then
  set_box(box, ARGV[5], ARGV[6])
end
store_ties()
for at = first_guard, #ARGV, fields_of_guard do
  point(ARGV[at], id, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  -- One that is to be due later still is to be found for longer.
  if due ~= "" and find(ARGV[at], "idempotency", 1, true) == 1 then
    tie(id, "k" .. ARGV[at])
  end
end
if due == "" then
  put({ entry }, false)
else
  redis.call("ZADD", key.later, sub(due, 1, 1) == "+" and digits(now + tonumber(due)) or due, entry)
end
-- Idle workers sleep until the next due time they know of: one must hear of an earlier one, an alarm included.
if due == "" or redis.call("ZRANGE", key.later, 0, 0)[1] ~= before then
  ring()
end
if is_listened() then
  note_life(due == "" and "submitted" or "scheduled", id, 0, ARGV[2], "")
end
if ARGV[7] ~= "" then
  end_orphans({ id }, now)
end
return 0
