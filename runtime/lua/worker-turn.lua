#!lua flags=allow-oom
--[[
  The exchange between a worker and a partition, for a whole batch: settle what is finished, renew the lease, reap
  a dead worker, promote what is due, claim what is next.

  Everything is checked before the first write, because Redis does not roll a script back. It may run when memory
  is full: settling and releasing are what frees it.

  KEYS[1]   base         string   the partition's key prefix
  ARGV[1]   worker       string   the worker incarnation
  ARGV[2]   lease        ms       how long its claims stay its own from now
  ARGV[3]   want         integer  tasks to hand out at most
  ARGV[4]   expected     ms       Redis's time as the worker expects it; 0: not known; negative: it judges no lease now
  ARGV[5]   join         0 | 1    1: register this incarnation
  ARGV[6]   again        0 | 1    1: an earlier turn got no answer
  ARGV[7]   retention    ms       how long outcomes and streams are kept
  ARGV[8]   suspect from integer  worker deaths that make a task a suspect
  ARGV[9]   crashes max  integer  worker deaths that make a task a dead letter
  ARGV[10]  jump         ms       a difference between now and expected that is a jump of the clock
  ARGV[11]  share        text     how many to claim first from high, normal and low: three numbers; "" for none
  ARGV[12]  suspect      0 | 1    1: one suspect may be among the claims
  ARGV[13]  about        JSON     what the worker says of itself; "" when it says nothing
  ARGV[14]  stood by     0 | 1    1: an earlier turn may have had it stand by
  ARGV[15]  stands by    0 | 1    1: from the end of this turn on it may be handed one, if it has found less than it wants
  ARGV[16]  ended        integer  then, after all counts, as many of  entry, record
  ARGV[17]  retried      integer  as many of  entry, delay in ms, record
  ARGV[18]  waiting      integer  as many of  entry, record, children separated by blanks
  ARGV[19]  released     integer  as many of  entry
  ARGV[20]  notes        integer  as many of  entry, JSON
  ARGV[21]  noted        integer  as many of  entry
  ARGV[22]  streamed     integer  as many of  entry
  ARGV[23]  hints        integer  as many of  reply channel, ended entries separated by blanks
  ARGV[24]  permits      integer  as many of  ring, how many may be claimed from it
  ARGV[25]  deferred     integer  as many of  ring, ms after which it may be asked for
  ARGV[26]  acts         integer  as many of  ended entry, address of its agent, revision it was handled with, state as
                                  JSON or "" when it did not change, version of the state, timers a line each
  ARGV[27]  sent         integer  as many of  ended entry, line of the outbox
  ARGV[28]  plain        integer  as many of  entry  of a first run from a lane that has ended, but not as a dead letter;
                                  then for each segment of those its name, how many, and as many of  id, record

  Returns
    -1  the incarnation is not registered; nothing was written
    {now, next due or -1, lost entries, claimed (entry, record)*, with again all other held entries, rings that have
    work (ring, how much)*, of each ring of the permits (where its claims begin, how many they are), once or twice, 1 when the
    outbox is not empty, agents whose messages were claimed (address, revision of its state)*, 1 when it was handed a task
    while it stood by, 1 when it stands by from now on}
]]
--- @include "clock"
--- @include "calls"
--- @include "records"
--- @include "lives"
--- @include "bell"
--- @include "boxes"
--- @include "watchers"
--- @include "segments"
--- @include "finish"
--- @include "give-back"
--- @include "end-early"
--- @include "window"
--- @include "agents"
--- @include "turn"
--- @include "plain"
--- @include "settle"
--- @include "leases"
--- @include "promote"
--- @include "claim"

local registered = redis.call("ZSCORE", key.workers, worker)
-- One that was evicted (deadline 0) is over, though nobody has reaped it yet.
if ARGV[5] == "0" and (not registered or tonumber(registered) == 0) then
  return -1
end

stand_down()
read_control()
settle()
renew()
local due = claim_all(promote())
stand_by()
tell_waiting()

-- All that is held beside what was just claimed.
local also = {}
if again then
  local new = {}
  for i = 1, #claims, 2 do
    new[claims[i]] = true
  end
  for _, entry in ipairs(redis.call("SMEMBERS", held)) do
    if not new[entry] then
      also[#also + 1] = entry
    end
  end
end
local outbox = some_special and redis.call("EXISTS", key.outbox) or 0
return { now, due, lost, claims, also, rings, from_rings, outbox, activated, handed, stands_by }
