-- The timers of an agent, which its hash holds beside its state. Needs: records.

-- The ids of the messages that they are.
local function timers_of(address)
  local fields, ids = redis.call("HGETALL", key.agent(address)), {}
  for i = 1, #fields, 2 do
    if find(fields[i], "timer:", 1, true) == 1 then
      ids[#ids + 1] = fields[i + 1]
    end
  end
  return ids
end
