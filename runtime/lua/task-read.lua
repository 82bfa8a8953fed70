#!lua flags=no-writes
--[[
  Read tasks whole, with the place where each living one was found.

  Who runs a task follows from the workers' held sets; a task that has run for a while has a note, which saves
  the search. One call per worker and task otherwise: this is for looking, not for the hot path.

  KEYS[1]  base  string  the partition's key prefix
  ARGV     ids

  Returns for each id: false, or {record, place, detail, note}, the place being
    "ended"  · "lane" (or a box) · "later", with the due time in ms · "held", with the worker and the note or ""
    "waiting", for its children
]]
--- @include "calls"
--- @include "records"

local replies, workers = {}, nil
for i, record in ipairs(records_or_letters_of(ARGV)) do
  if not record then
    replies[i] = false
  elseif string.byte(record) ~= 81 then
    replies[i] = { record, "ended" }
  else
    local entry = ARGV[i] .. string.match(record, "^Q(%a%d+)")
    local due = redis.call("ZSCORE", key.later, entry)
    if due then
      replies[i] = { record, "later", due }
    elseif redis.call("HEXISTS", key.waiting, ARGV[i]) == 1 then
      replies[i] = { record, "waiting" }
    else
      workers = workers or redis.call("ZRANGE", key.workers, 0, -1)
      replies[i] = { record, "lane" }
      for _, worker in ipairs(workers) do
        if redis.call("SISMEMBER", key.held(worker), entry) == 1 then
          replies[i] = { record, "held", worker, redis.call("HGET", key.running, entry) or "" }
          break
        end
      end
    end
  end
end
return replies
