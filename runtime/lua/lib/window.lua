-- A sliding window, as runtime/window.ts says: { per, width, buckets = { number, .. }, amounts = { sum, .. } }, oldest
-- first. Its text is `<per> <bucket>=<amount> <bucket>=<amount> ..`. At most 41 buckets, so every loop has a bound.
local buckets_min = 20

local function width_of(per)
  local width = 1
  while width * 2 * buckets_min <= per do
    width = width * 2
  end
  return width
end

-- What of the window in `text` (or false) still counts, as a window of `per`; without `per`, of its own length.
local function live(text, per, now)
  local kept = text and tonumber(string.match(text, "^%d+"))
  per = per or kept
  local from, to = width_of(kept or per), width_of(per)
  local newest = math.floor(now / to)
  local window = { per = per, width = to, buckets = {}, amounts = {} }
  local size = 0
  for bucket, amount in string.gmatch(text or "", "(%d+)=(%d+)") do
    -- What lies ahead was counted by a clock that has been set back since; it counts as of now.
    local at = math.min(math.floor(((tonumber(bucket) + 1) * from - 1) / to), newest)
    if (at + 1) * to + per > now then
      if window.buckets[size] ~= at then
        size = size + 1
        window.buckets[size] = at
        window.amounts[size] = 0
      end
      window.amounts[size] = window.amounts[size] + tonumber(amount)
    end
  end
  return window
end

local function used(window)
  local sum = 0
  for _, amount in ipairs(window.amounts) do
    sum = sum + amount
  end
  return sum
end

-- How many uses of `amount` each there is room for.
local function room(window, count, amount)
  return amount == 0 and math.huge or math.max(0, math.floor((count - used(window)) / amount))
end

-- In how many milliseconds there is room for one use of `amount`.
local function room_after(window, count, amount, now)
  local over, at = used(window) + amount - count, now
  for i, bucket in ipairs(window.buckets) do
    if over <= 0 then
      break
    end
    over = over - window.amounts[i]
    at = (bucket + 1) * window.width + window.per
  end
  return over > 0 and window.per or at - now
end

-- Counts a use of now.
local function add(window, now, amount)
  local newest, size = math.floor(now / window.width), #window.buckets
  if amount == 0 then
    return
  end
  if window.buckets[size] ~= newest then
    size = size + 1
    window.buckets[size] = newest
    window.amounts[size] = 0
  end
  window.amounts[size] = window.amounts[size] + amount
end

-- Takes back part of a use that was counted at `at`.
local function take_back(window, at, amount)
  local bucket = math.floor(at / window.width)
  for i = #window.buckets, 1, -1 do
    if window.buckets[i] == bucket then
      window.amounts[i] = window.amounts[i] - amount
      if window.amounts[i] <= 0 then
        table.remove(window.buckets, i)
        table.remove(window.amounts, i)
      end
    end
  end
end

-- When nothing of it counts any more; 0 when it is empty.
local function gone_at(window)
  local last = window.buckets[#window.buckets]
  return last and (last + 1) * window.width + window.per or 0
end

local function text_of(window)
  local words = { digits(window.per) }
  for i, bucket in ipairs(window.buckets) do
    words[i + 1] = digits(bucket) .. "=" .. digits(window.amounts[i])
  end
  return table.concat(words, " ")
end
