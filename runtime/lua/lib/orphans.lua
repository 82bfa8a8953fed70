-- Children that come only after their parent was cancelled. Needs: calls, finish, end-early.

-- Ends those of some new tasks that were cancelled before they were there.
local function end_orphans(ids, now)
  local names = {}
  for i = 1, #ids do
    names[i] = key.orphan(ids[i])
  end
  for i, text in ipairs(#ids > 0 and ask_part("MGET", names[1], names, 2, #ids) or {}) do
    if text then
      local retention, error = string.match(text, "^(%d+) (.*)$")
      redis.call("DEL", names[i])
      end_early({ ids[i] }, "C", error, now, tonumber(retention))
    end
  end
end
