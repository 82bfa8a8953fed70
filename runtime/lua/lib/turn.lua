-- What a turn says, as the contract of `worker-turn` has it. Needs: clock.
local worker, lease, expected, again, retention, crashes_suspect, crashes_max, jump, now, held

-- How many arguments an item of each list has, and where each list starts.
local widths, starts = { 2, 3, 3, 1, 2, 1, 1, 2, 2, 2, 6, 2 }, nil

at_start(function()
  worker, lease, expected, again = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[6] == "1"
  retention, crashes_suspect, crashes_max = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
  jump, now, held = tonumber(ARGV[10]), clock(), key.held(worker)
  starts = {}
  local at = 29
  for list = 1, #widths do
    starts[list] = at
    at = at + tonumber(ARGV[15 + list]) * widths[list]
  end
  starts[#widths + 1] = at
end)
