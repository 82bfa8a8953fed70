-- Notes what happens to tasks, while somebody listens to this partition. Needs: clock, records.
--
-- A script looks once whether somebody does, in a read that it makes anyway where it has one. `control.listened` is
-- `<until> <epoch>`, in Unix milliseconds; within an epoch the notes are numbered from 1 without a gap.
local lives_max, lives_kept, head_max = 10000, 90000, 4096
local listened_epoch, lived_at, lives_hinted
at_start(function()
  listened_epoch, lived_at, lives_hinted = nil, nil, false
end)

-- Takes what `control.listened` says; one that nobody has renewed goes.
local function listened_by(text)
  local till, epoch = string.match(text or "", "^(%d+) (%d+)$")
  listened_epoch = false
  if till then
    lived_at = clock()
    if tonumber(till) > lived_at then
      listened_epoch = epoch
    else
      redis.call("HDEL", key.control, "listened")
    end
  end
end

local function is_listened()
  if listened_epoch == nil then
    listened_by(redis.call("HGET", key.control, "listened"))
  end
  return listened_epoch
end

-- The envelope of a record up to its input: it names the handler, the key, the tags. Of one that is sealed, what is clear.
local function head_of(record)
  local _, sealed = find(record, '"sealed":"[^"]*"')
  local first = sealed and sealed + 1 or find(record, "{", 1, true) or 1
  local input, over = find(record, ',"input":', first, true), find(record, '},"worker":"', first, true)
  local last = math.min(input and input - 1 or #record, over or #record, first + head_max - 1)
  return sub(record, first, last)
end

-- Notes that this has become of a task; `more` is JSON that only this kind has, or "". Call it only while `is_listened()`.
local function note_life(kind, id, attempt, record, more)
  redis.call(
    "XADD", key.lifecycle, "MAXLEN", "~", lives_max, listened_epoch .. "-*",
    kind, id .. " " .. attempt .. " " .. digits(lived_at), head_of(record), more)
  if not lives_hinted then
    lives_hinted = true
    redis.call("PEXPIRE", key.lifecycle, lives_kept)
    redis.call("SPUBLISH", key.lives, "")
  end
end

local function note_start(entry, record, worker)
  note_life("started", id_of(entry), run_of(entry), record, '{"worker":"' .. worker .. '"}')
end

local lives_at_end = { S = "completed", F = "failed", C = "cancelled", E = "expired" }

-- The tasks that end while nobody runs them: the next run that their records name never was.
local without_run
at_start(function()
  without_run = {}
end)

-- Notes the ends of tasks; one that has failed for good is a dead letter too.
local function note_ends(ids, records)
  for i = 1, #ids do
    local record = records[i]
    local letter, run = string.match(record, "^(%a)%a(%d+)")
    run = without_run[ids[i]] and run - 1 or run
    note_life(lives_at_end[letter], ids[i], run, record, "")
    if letter == "F" then
      note_life("dead", ids[i], run, record, "")
    end
  end
end
