-- Puts entries that nobody runs any more back at the head of their mailboxes, oldest first, each under its next run.
-- With `lost_by`, the name of a dead worker, the crash is counted and the run is noted as lost: a task with too many is a dead
-- letter, and one with nearly as many is a suspect: it waits among those, or at the head of its box.
local function give_back(entries, lost_by, now, retention, crashes_suspect, crashes_max)
  table.sort(entries)
  local records, again, suspects, writes, ended, outcomes = records_of(entries), {}, {}, {}, {}, {}
  local runs, nexts = {}, {}
  local notes = lost_by and #entries > 0 and ask("HMGET", key.running, entries) or {}
  for i, entry in ipairs(entries) do
    local record = records[i]
    if is_current(record, entry) then
      local head, counted, losses, json = string.match(record, "^Q(%a%d+)%.(%d+)([^{]*)(.*)$")
      local crashes = tonumber(counted)
      if lost_by then
        crashes = crashes + 1
        losses = losses .. "@" .. run_of(entry) .. "," .. started_in(notes[i]) .. "," .. digits(now) .. "," .. lost_by
      end
      if lost_by and crashes >= crashes_max then
        ended[#ended + 1] = id_of(entry)
        outcomes[#outcomes + 1] = "F" .. head .. "." .. crashes .. losses .. '{"task":' .. json .. ',"worker":"' .. lost_by
          .. '","finishedAt":' .. digits(now) .. ',"error":{"type":"WorkerLost","message":"'
          .. crashes .. ' workers died while they held this task"}}'
      else
        local next_entry, segment = next_run(entry), sub(entry, 1, 8)
        if crashes >= crashes_suspect and not is_boxed(next_entry) then
          suspects[#suspects + 1] = next_entry
        else
          again[#again + 1] = next_entry
        end
        runs[#runs + 1] = entry
        nexts[#nexts + 1] = next_entry
        writes[segment] = writes[segment] or {}
        local write = writes[segment]
        write[#write + 1] = id_of(entry)
        write[#write + 1] = "Q" .. sub(next_entry, 27) .. "." .. crashes .. losses .. json
        if lost_by and is_listened() then
          note_life("retrying", id_of(entry), run_of(entry), record, "")
        end
      end
    end
  end
  for segment, write in pairs(writes) do
    send("HSET", key.task(segment), write)
  end
  give_up_room(runs, nexts)
  put(again, true)
  send("RPUSH", key.suspects, suspects)
  send("HDEL", key.running, entries)
  if #ended > 0 then
    finish(ended, outcomes, now, retention)
    count_ends("F", #ended, now)
  end
end
