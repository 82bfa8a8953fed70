#!lua
--[[
  Remember a named part of a run for the task's next runs; with a child, also that the task has it.

  What is remembered under a number stays: a call said again finds its own text. The first one of a task ties what is
  remembered to the task, so that it goes when the task ends.

  KEYS[1]  base    string   the partition's key prefix
  ARGV[1]  worker  string   the worker incarnation
  ARGV[2]  entry   string   the run, which must be held by it
  ARGV[3]  number  integer  from 0, in the order of the run's calls
  ARGV[4]  text    string   name, line break, JSON
  ARGV[5]  child   string   the whole id of a child that is about to be submitted; none: there is no child
  ARGV[6]  anew    0 or 1   with a child: the task has it even if the step is remembered already

  Returns
    -1    the worker does not hold the entry; nothing was written
    text  what is remembered under the number
]]
--- @include "calls"
--- @include "records"
--- @include "boxes"
--- @include "ties"

if redis.call("SISMEMBER", key.held(ARGV[1]), ARGV[2]) == 0 then
  return -1
end
local id = id_of(ARGV[2])
local steps = key.steps(id)
if redis.call("EXISTS", steps) == 0 then
  tie(id, "s")
end
local is_new = redis.call("HSETNX", steps, ARGV[3], ARGV[4]) == 1
-- A call that was given up may run late, when the child has ended: waiting for it would never end.
if ARGV[5] and (is_new or ARGV[6] == "1") then
  redis.call("SADD", key.children(id), ARGV[5])
end
return redis.call("HGET", steps, ARGV[3])
