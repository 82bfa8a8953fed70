/**
 * The Lua scripts, ready to be sent: every atomic thing the product can do to Redis.
 *
 * A script is a file in `runtime/lua`, named `<noun>-<verb>`; its header is its contract. Before it stand the table
 * of keys and the pieces from `runtime/lua/lib` that it includes. It is called by the SHA-1 of that text.
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
import bell from "../lua/lib/bell.lua" with { type: "text" }
import boxes from "../lua/lib/boxes.lua" with { type: "text" }
import calls from "../lua/lib/calls.lua" with { type: "text" }
import clock from "../lua/lib/clock.lua" with { type: "text" }
import endEarly from "../lua/lib/end-early.lua" with { type: "text" }
import finish from "../lua/lib/finish.lua" with { type: "text" }
import giveBack from "../lua/lib/give-back.lua" with { type: "text" }
import keep from "../lua/lib/keep.lua" with { type: "text" }
import limit from "../lua/lib/limit.lua" with { type: "text" }
import lives from "../lua/lib/lives.lua" with { type: "text" }
import ties from "../lua/lib/ties.lua" with { type: "text" }
import timers from "../lua/lib/timers.lua" with { type: "text" }
import records from "../lua/lib/records.lua" with { type: "text" }
import sizes from "../lua/lib/sizes.lua" with { type: "text" }
import watchers from "../lua/lib/watchers.lua" with { type: "text" }
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
import segmentSweep from "../lua/segment-sweep.lua" with { type: "text" }
import stepRemember from "../lua/step-remember.lua" with { type: "text" }
import taskAdmit from "../lua/task-admit.lua" with { type: "text" }
import taskCancel from "../lua/task-cancel.lua" with { type: "text" }
import taskEnded from "../lua/task-ended.lua" with { type: "text" }
import taskPlace from "../lua/task-place.lua" with { type: "text" }
import taskPurge from "../lua/task-purge.lua" with { type: "text" }
import taskRead from "../lua/task-read.lua" with { type: "text" }
import taskSubmit from "../lua/task-submit.lua" with { type: "text" }
import taskUnwatch from "../lua/task-unwatch.lua" with { type: "text" }
import ticketPut from "../lua/ticket-put.lua" with { type: "text" }
import ticketTake from "../lua/ticket-take.lua" with { type: "text" }
import workerEvict from "../lua/worker-evict.lua" with { type: "text" }
import workerList from "../lua/worker-list.lua" with { type: "text" }
import workerRenew from "../lua/worker-renew.lua" with { type: "text" }
import workerTurn from "../lua/worker-turn.lua" with { type: "text" }
import { sha1 } from "../digest.ts"

export interface Script {
  readonly name: string
  readonly text: string
  readonly sha: string
}

const pieces = {
  agents,
  bell,
  boxes,
  calls,
  clock,
  "end-early": endEarly,
  finish,
  "give-back": giveBack,
  keep,
  limit,
  lives,
  records,
  ties,
  timers,
  sizes,
  watchers,
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
  "segment-sweep": segmentSweep,
  "step-remember": stepRemember,
  "task-admit": taskAdmit,
  "task-cancel": taskCancel,
  "task-ended": taskEnded,
  "task-place": taskPlace,
  "task-purge": taskPurge,
  "task-read": taskRead,
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
export type Scripts = Readonly<Record<ScriptName, Script>>

/** The scripts, with some pieces replaced: a test stands in for the clock that way. */
export const buildScripts = (instead: Partial<Record<Piece, string>> = {}): Scripts => {
  const build = (name: string, source: string): Script => {
    const [flags, ...body] = source.split("\n")
    const text = [flags, luaKeys, ...body]
      .join("\n")
      .replaceAll(/^--- @include "(.+)"$/gm, (_, piece: Piece) => instead[piece] ?? pieces[piece])
    return { name, text, sha: sha1(text) }
  }
  return Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, build(name, source)])
  ) as Record<ScriptName, Script>
}
