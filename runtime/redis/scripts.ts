// A project that has this clone, and not the package, checks these sources with its own settings.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="../lua/lua.d.ts" />
/**
 * The Lua scripts, ready to be sent: every atomic thing the product can do to Redis.
 *
 * A script is a file in `runtime/lua`, named `<noun>-<verb>`; its header is its contract. All of them are one library
 * of Redis functions, which Redis compiles once: a call runs the body of its script, and finds the functions of the
 * pieces from `runtime/lua/lib` that it includes as they were made at its first call. So what a piece keeps during a
 * call it sets in `at_start`. The library is named after its text, so that versions live beside each other.
 */
import { luaKeys } from "../keys.ts"
import accessChange from "../lua/access-change.lua" with { type: "text" }
import accessRead from "../lua/access-read.lua" with { type: "text" }
import agentResume from "../lua/agent-resume.lua" with { type: "text" }
import agentStop from "../lua/agent-stop.lua" with { type: "text" }
import auditAppend from "../lua/audit-append.lua" with { type: "text" }
import auditRead from "../lua/audit-read.lua" with { type: "text" }
import childEnded from "../lua/child-ended.lua" with { type: "text" }
import eventAppend from "../lua/event-append.lua" with { type: "text" }
import agents from "../lua/lib/agents.lua" with { type: "text" }
import arrivals from "../lua/lib/arrivals.lua" with { type: "text" }
import bell from "../lua/lib/bell.lua" with { type: "text" }
import boxes from "../lua/lib/boxes.lua" with { type: "text" }
import calls from "../lua/lib/calls.lua" with { type: "text" }
import clock from "../lua/lib/clock.lua" with { type: "text" }
import endEarly from "../lua/lib/end-early.lua" with { type: "text" }
import finish from "../lua/lib/finish.lua" with { type: "text" }
import giveBack from "../lua/lib/give-back.lua" with { type: "text" }
import hand from "../lua/lib/hand.lua" with { type: "text" }
import keep from "../lua/lib/keep.lua" with { type: "text" }
import orphans from "../lua/lib/orphans.lua" with { type: "text" }
import limit from "../lua/lib/limit.lua" with { type: "text" }
import lives from "../lua/lib/lives.lua" with { type: "text" }
import ties from "../lua/lib/ties.lua" with { type: "text" }
import timers from "../lua/lib/timers.lua" with { type: "text" }
import records from "../lua/lib/records.lua" with { type: "text" }
import segments from "../lua/lib/segments.lua" with { type: "text" }
import sizes from "../lua/lib/sizes.lua" with { type: "text" }
import watchers from "../lua/lib/watchers.lua" with { type: "text" }
import claim from "../lua/lib/claim.lua" with { type: "text" }
import leases from "../lua/lib/leases.lua" with { type: "text" }
import plain from "../lua/lib/plain.lua" with { type: "text" }
import promote from "../lua/lib/promote.lua" with { type: "text" }
import settle from "../lua/lib/settle.lua" with { type: "text" }
import turn from "../lua/lib/turn.lua" with { type: "text" }
import window from "../lua/lib/window.lua" with { type: "text" }
import letterBury from "../lua/letter-bury.lua" with { type: "text" }
import letterRevive from "../lua/letter-revive.lua" with { type: "text" }
import lifecycleListen from "../lua/lifecycle-listen.lua" with { type: "text" }
import limitCool from "../lua/limit-cool.lua" with { type: "text" }
import limitRenew from "../lua/limit-renew.lua" with { type: "text" }
import limitSettle from "../lua/limit-settle.lua" with { type: "text" }
import limitStates from "../lua/limit-states.lua" with { type: "text" }
import limitTake from "../lua/limit-take.lua" with { type: "text" }
import minuteCount from "../lua/minute-count.lua" with { type: "text" }
import minuteRead from "../lua/minute-read.lua" with { type: "text" }
import nodeBeat from "../lua/node-beat.lua" with { type: "text" }
import nodeDrain from "../lua/node-drain.lua" with { type: "text" }
import nodeLeave from "../lua/node-leave.lua" with { type: "text" }
import nodeList from "../lua/node-list.lua" with { type: "text" }
import partitionList from "../lua/partition-list.lua" with { type: "text" }
import partitionNote from "../lua/partition-note.lua" with { type: "text" }
import queueLimit from "../lua/queue-limit.lua" with { type: "text" }
import queuePause from "../lua/queue-pause.lua" with { type: "text" }
import queueRead from "../lua/queue-read.lua" with { type: "text" }
import queueTrim from "../lua/queue-trim.lua" with { type: "text" }
import rateTake from "../lua/rate-take.lua" with { type: "text" }
import scheduleChange from "../lua/schedule-change.lua" with { type: "text" }
import scheduleDue from "../lua/schedule-due.lua" with { type: "text" }
import scheduleList from "../lua/schedule-list.lua" with { type: "text" }
import scheduleRead from "../lua/schedule-read.lua" with { type: "text" }
import segmentForget from "../lua/segment-forget.lua" with { type: "text" }
import segmentSweep from "../lua/segment-sweep.lua" with { type: "text" }
import stepRemember from "../lua/step-remember.lua" with { type: "text" }
import taskAdmit from "../lua/task-admit.lua" with { type: "text" }
import taskCancel from "../lua/task-cancel.lua" with { type: "text" }
import taskEnded from "../lua/task-ended.lua" with { type: "text" }
import taskPlace from "../lua/task-place.lua" with { type: "text" }
import taskPurge from "../lua/task-purge.lua" with { type: "text" }
import taskRead from "../lua/task-read.lua" with { type: "text" }
import taskReschedule from "../lua/task-reschedule.lua" with { type: "text" }
import taskSubmit from "../lua/task-submit.lua" with { type: "text" }
import taskUnwatch from "../lua/task-unwatch.lua" with { type: "text" }
import ticketPut from "../lua/ticket-put.lua" with { type: "text" }
import ticketTake from "../lua/ticket-take.lua" with { type: "text" }
import workerEvict from "../lua/worker-evict.lua" with { type: "text" }
import workerList from "../lua/worker-list.lua" with { type: "text" }
import workerRenew from "../lua/worker-renew.lua" with { type: "text" }
import workerTurn from "../lua/worker-turn.lua" with { type: "text" }
import { sha1 } from "../digest.ts"

const pieces = {
  agents,
  arrivals,
  bell,
  boxes,
  calls,
  clock,
  "end-early": endEarly,
  finish,
  "give-back": giveBack,
  hand,
  keep,
  limit,
  lives,
  orphans,
  records,
  segments,
  ties,
  timers,
  sizes,
  watchers,
  claim,
  leases,
  plain,
  promote,
  settle,
  turn,
  window
}
export type Piece = keyof typeof pieces

const sources = {
  "access-change": accessChange,
  "access-read": accessRead,
  "agent-resume": agentResume,
  "agent-stop": agentStop,
  "audit-append": auditAppend,
  "audit-read": auditRead,
  "child-ended": childEnded,
  "event-append": eventAppend,
  "letter-bury": letterBury,
  "letter-revive": letterRevive,
  "lifecycle-listen": lifecycleListen,
  "limit-cool": limitCool,
  "limit-renew": limitRenew,
  "limit-settle": limitSettle,
  "limit-states": limitStates,
  "limit-take": limitTake,
  "minute-count": minuteCount,
  "minute-read": minuteRead,
  "node-beat": nodeBeat,
  "node-drain": nodeDrain,
  "node-leave": nodeLeave,
  "node-list": nodeList,
  "partition-list": partitionList,
  "partition-note": partitionNote,
  "queue-limit": queueLimit,
  "queue-pause": queuePause,
  "queue-read": queueRead,
  "queue-trim": queueTrim,
  "rate-take": rateTake,
  "schedule-change": scheduleChange,
  "schedule-due": scheduleDue,
  "schedule-list": scheduleList,
  "schedule-read": scheduleRead,
  "segment-forget": segmentForget,
  "segment-sweep": segmentSweep,
  "step-remember": stepRemember,
  "task-admit": taskAdmit,
  "task-cancel": taskCancel,
  "task-ended": taskEnded,
  "task-place": taskPlace,
  "task-purge": taskPurge,
  "task-read": taskRead,
  "task-reschedule": taskReschedule,
  "task-submit": taskSubmit,
  "task-unwatch": taskUnwatch,
  "ticket-put": ticketPut,
  "ticket-take": ticketTake,
  "worker-evict": workerEvict,
  "worker-list": workerList,
  "worker-renew": workerRenew,
  "worker-turn": workerTurn
}
export type ScriptName = keyof typeof sources

export interface Scripts {
  /** The library's name: `troupe_<version>`, with a version that its text alone decides. */
  readonly library: string
  readonly text: string
  /** What `FCALL` calls each script by: `troupe_<script>_<version>`. */
  readonly functions: Readonly<Record<ScriptName, string>>
  /** A script for itself, as `EVAL` takes it: slower, but it runs where Redis has no room for a library. */
  readonly alone: (script: ScriptName) => string
}

/** What all of the library's names begin with. */
export const libraryPrefix = "troupe_"

const includes = /^--- @include "(.+)"$/gm

/** What is not for Redis, which keeps the text. */
const comments = /^ *--\[\[\n[^]*?^\]\]\n|^ *--.*\n|^\n/gm

const bare = (source: string): string => source.replaceAll(comments, "")

/** A function that makes the script when it is called first: while a library loads, Lua's own tables are not there yet. */
const scriptOf = (name: string, source: string, pieces: Readonly<Record<string, string>>): string => `
make["${name}"] = function()
local KEYS, ARGV, base, key
local start_steps = {}
local function at_start(step)
  start_steps[#start_steps + 1] = step
end
${[...source.matchAll(includes)].map(([, piece]) => pieces[piece!]).join("\n")}
local function run()
${bare(source.slice(source.indexOf("\n") + 1))}
end
return function(keys, args)
  KEYS, ARGV, base, key = keys, args, keys[1], keys_of(keys[1])
  for i = 1, #start_steps do
    start_steps[i]()
  end
  return run()
end
end
`

/** What a script may do: its first line says so, in words that scripts and functions share. */
const flagsOf = (source: string): string => /^#!lua(?: flags=(\S+))?\n/.exec(source)?.[1] ?? ""

const registration = (name: string, source: string, called: string): string => {
  const flags = flagsOf(source).split(",").filter(Boolean)
  return `redis.register_function {
  function_name = "${called}", flags = { ${flags.map((flag) => `"${flag}"`).join(", ")} },
  callback = function(keys, args)
    made["${name}"] = made["${name}"] or make["${name}"]()
    return made["${name}"](keys, args)
  end
}
`
}

/** The scripts, with some pieces replaced: a test stands in for the clock that way. */
export const buildScripts = (instead: Partial<Record<Piece, string>> = {}): Scripts => {
  const bares = Object.fromEntries(
    Object.entries({ ...pieces, ...instead }).map(([piece, source]) => [piece, bare(source)])
  )
  const head = `${luaKeys}local make, made = {}, {}\n`
  const all = Object.entries(sources).map(([name, source]) => ({
    name: name as ScriptName,
    source,
    script: scriptOf(name, source, bares)
  }))
  const body = `${head}${all.map(({ script }) => script).join("")}`
  const version = sha1(body).slice(0, 12)
  const library = `${libraryPrefix}${version}`
  const functions = Object.fromEntries(
    all.map(({ name }) => [name, `${libraryPrefix}${name.replaceAll("-", "_")}_${version}`])
  ) as Record<ScriptName, string>
  const registered = all.map(({ name, source }) => registration(name, source, functions[name]))
  return {
    library,
    text: `#!lua name=${library}\n${body}${registered.join("")}`,
    functions,
    alone: (name) => {
      const { script, source } = all.find((one) => one.name === name)!
      const flags = flagsOf(source)
      return `#!lua${flags && ` flags=${flags}`}\n${head}${script}return make["${name}"]()(KEYS, ARGV)\n`
    }
  }
}
