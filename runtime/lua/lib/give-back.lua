-- Puts entries that nobody runs any more back at the head of their lanes, oldest first, each under its next run.
-- With `lost_by`, the name of a dead worker, the crash is counted, and a task with too many is a dead letter.
local function give_back(entries, lost_by, now, retention, crashes_max)
  -- Newest first, so that pushing them to the head one after the other leaves the oldest there.
  table.sort(entries, function(a, b) return a > b end)
  local records, lists, writes, ended, outcomes = records_of(entries), {}, {}, {}, {}
  for i, entry in ipairs(entries) do
    local record = records[i]
    if is_current(record, entry) then
      local head, crashes, json = string.match(record, "^Q(%l%d+)%.(%d+)(.*)$")
      crashes = tonumber(crashes) + (lost_by and 1 or 0)
      if lost_by and crashes >= crashes_max then
        ended[#ended + 1] = id_of(entry)
        outcomes[#outcomes + 1] = "F" .. head .. "." .. crashes .. '{"task":' .. json .. ',"worker":"' .. lost_by
          .. '","finishedAt":' .. digits(now) .. ',"error":{"type":"WorkerLost","message":"'
          .. crashes .. ' workers died while they held this task"}}'
      else
        local again = next_run(entry)
        local lane, segment = lane_of_entry(entry), string.sub(entry, 1, 8)
        lists[lane] = lists[lane] or {}
        lists[lane][#lists[lane] + 1] = again
        writes[segment] = writes[segment] or {}
        local write = writes[segment]
        write[#write + 1] = id_of(entry)
        write[#write + 1] = "Q" .. string.sub(again, 27) .. "." .. crashes .. json
      end
    end
  end
  for segment, write in pairs(writes) do
    send("HSET", key.task(segment), write)
  end
  for lane, list in pairs(lists) do
    send("LPUSH", key.lane(lane), list)
  end
  send("HDEL", key.running, entries)
  if #ended > 0 then
    finish(ended, outcomes, now, retention)
  end
end
