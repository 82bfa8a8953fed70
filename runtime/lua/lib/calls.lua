-- Lua hands some 8 000 values to a call at most: a longer list goes in pieces. Even, so that no pair is parted.
local piece_max = 7000

local function piece_of(list, first)
  return unpack(list, first, math.min(first + piece_max - 1, #list))
end

-- Calls a command that only writes with a list of any length, an empty one included.
local function send(command, name, list)
  for first = 1, #list, piece_max do
    redis.call(command, name, piece_of(list, first))
  end
end

-- Calls a command that answers with one value for each of a list.
local function ask(command, name, list)
  if #list <= piece_max then
    return redis.call(command, name, unpack(list))
  end
  local all = {}
  for first = 1, #list, piece_max do
    for _, answer in ipairs(redis.call(command, name, piece_of(list, first))) do
      all[#all + 1] = answer
    end
  end
  return all
end
