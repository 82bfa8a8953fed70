-- Lua hands some 8 000 values to a call at most: a longer list goes in pieces. Even, so that no pair is parted.
local piece_max = 7000

-- Calls a command that only writes with a part of a list, of any length, an empty one included.
local function send_part(command, name, list, first, last)
  for at = first, last, piece_max do
    redis.call(command, name, unpack(list, at, math.min(at + piece_max - 1, last)))
  end
end

local function send(command, name, list)
  send_part(command, name, list, 1, #list)
end

-- Calls a command that answers with one value for each of a part of a list.
local function ask_part(command, name, list, first, last)
  if last - first < piece_max then
    return redis.call(command, name, unpack(list, first, last))
  end
  local all = {}
  for at = first, last, piece_max do
    for _, answer in ipairs(redis.call(command, name, unpack(list, at, math.min(at + piece_max - 1, last)))) do
      all[#all + 1] = answer
    end
  end
  return all
end

local function ask(command, name, list)
  return ask_part(command, name, list, 1, #list)
end
