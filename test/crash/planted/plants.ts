/**
 * Bugs that the harness has to find: lines of the sources as they stand, what a tired hand might have written, and a small
 * campaign in which that shows. One is built into the program at a time.
 */
import type { Violation } from "../../support/history.ts"
import type { Change } from "../chaos/bundle.ts"
import type { CampaignOptions } from "../chaos/campaign.ts"
import { cutFollowers, deaf, killAfterSteps, killWorker, longStall, mute, stall } from "./moments.ts"

export interface Plant {
  readonly bug: string
  readonly changes: ReadonlyArray<Change>
  /** What it breaks: any of these is to be found. */
  readonly breaks: ReadonlyArray<Violation["invariant"]>
  readonly campaign: Partial<CampaignOptions>
}

const lua = (name: string, line: string, instead: string): Change => ({
  file: `runtime/lua/${name}.lua`,
  line,
  instead
})
const ts = (file: string, line: string, instead: string): Change => ({ file: `${file}.ts`, line, instead })

const streams = { speech: 1 } as const
const stalled: Partial<CampaignOptions> = { mix: streams, sure: [[0, stall]] }

export const plants: ReadonlyArray<Plant> = [
  {
    bug: "the fence is dropped: whatever a worker names is its own",
    changes: [
      lua("lib/settle", "return members[place] == 1", "return true"),
      lua("lib/plain", "members[i] ~= 1", "false"),
      lua("worker-turn", "(not registered or tonumber(registered) == 0)", "false")
    ],
    breaks: ["I2", "I3"],
    campaign: { mix: { nap: 1 }, sure: [[0, longStall]] }
  },
  {
    bug: "an event of a run that is over is accepted",
    changes: [lua("event-append", "  if member == 0 then", "  if false then")],
    breaks: ["I3", "kept"],
    campaign: stalled
  },
  {
    bug: "a step of a run that is over is accepted",
    changes: [
      lua(
        "step-remember",
        'if redis.call("SISMEMBER", key.held(ARGV[1]), ARGV[2]) == 0 then',
        "if false then"
      )
    ],
    breaks: ["I3"],
    campaign: { mix: { memo: 1 }, sure: [[0, stall]] }
  },
  {
    bug: "a step that was remembered is done and remembered anew",
    changes: [
      lua("step-remember", 'redis.call("HSETNX", steps', 'redis.call("HSET", steps'),
      ts("runtime/redis/steps", "Object.entries(fields)\n", "Object.entries({} as typeof fields)\n")
    ],
    breaks: ["kept"],
    campaign: { mix: { memo: 1 }, sure: [[0, killAfterSteps]] }
  },
  {
    bug: "a submit is acknowledged before it is written",
    changes: [
      ts(
        "actors/dispatch/outbox",
        "    let isClear = true\n",
        "    for (const { done } of batches) done(Exit.void)\n    let isClear = true\n"
      )
    ],
    breaks: ["I1"],
    campaign: { mix: { plain: 1 }, sure: [[0, mute]] }
  },
  {
    bug: "what got no answer is submitted again under another id",
    changes: [
      ts(
        "actors/dispatch/outbox",
        "const all = store.submit(\n      partition,\n      batches.flatMap(({ tasks }) => tasks)\n    )",
        `let times = 0
    const all = Effect.suspend(() => {
      const fresh = (entry: string) =>
        entry.slice(0, 16) + crypto.randomUUID().replace(/\\W/g, "").slice(0, 10).toUpperCase() + entry.slice(26)
      const tasks = batches.flatMap(({ tasks }) => tasks)
      return store.submit(
        partition,
        times++ === 0 ? tasks : tasks.map((task) => ({ ...task, entry: fresh(task.entry) as never }))
      )
    })`
      )
    ],
    breaks: ["I1", "I4"],
    campaign: { mix: { plain: 1 }, sure: [[0, deaf]] }
  },
  {
    bug: "a submit that is said again is stored again",
    changes: [
      lua("task-submit", "if #ARGV < 5 or records_or_letters_of({ ARGV[5] })[1] then", "if #ARGV < 5 then")
    ],
    breaks: ["I3", "I6"],
    campaign: { mix: { nap: 1 }, sure: [[0, deaf]] }
  },
  {
    bug: "all workers have one name",
    changes: [ts("actors/work/incarnation", "-${process.pid}-${crypto.randomUUID().slice(0, 8)}`", "`")],
    breaks: ["I1", "I2", "I3", "I6"],
    campaign: { mix: { plain: 1, speech: 1 }, sure: [[0, stall]] }
  },
  {
    bug: "the end of a child elsewhere is not owed to its parent",
    changes: [
      lua(
        "lib/finish",
        'redis.call("RPUSH", key.outbox, "ended " .. child .. " " .. rest .. " " .. run .. (has_failed and " failed" or ""))',
        "rest = nil"
      )
    ],
    breaks: ["I1"],
    campaign: { mix: { parent: 1 } }
  },
  {
    bug: "every process fires each slot for itself",
    changes: [
      lua("schedule-change", "if version ~= from then", "if false then"),
      ts("actors/schedule/slot-task", '${manual ?? ""}`', "${process.pid}`")
    ],
    breaks: ["I7"],
    campaign: { mix: { plain: 1 }, schedules: true, seconds: 5 }
  },
  {
    bug: "every other slot is left out",
    changes: [
      ts(
        "actors/schedule/rule",
        "(Math.floor((time - anchor) / everyMs) + 1) * everyMs",
        "(Math.floor((time - anchor) / everyMs) + 2) * everyMs"
      )
    ],
    breaks: ["I7"],
    campaign: { mix: { plain: 1 }, schedules: true, seconds: 5 }
  },
  {
    bug: "who comes back to a stream is shown one event less",
    changes: [ts("actors/follow/follow", "seqOfEnd : Number(seq) })", "seqOfEnd : Number(seq) + 1 })")],
    breaks: ["I8"],
    campaign: { mix: streams, nodeWorkers: 1, workers: 1, submitters: ["http"], sure: [[0, cutFollowers]] }
  },
  {
    bug: "a cancel is acknowledged and forgotten",
    changes: [
      lua("task-cancel", 'end_early({ ARGV[1] }, "C", ARGV[2], clock(), tonumber(ARGV[3]))', "clock()")
    ],
    breaks: ["I11"],
    campaign: { mix: { cancel: 1 } }
  },
  {
    bug: "the result of a cancelled task counts",
    changes: [
      lua("lib/end-early", 'redis.call("SREM", key.held(worker), entry)', ""),
      // Nor is its worker told to stop, which would mostly come in time.
      lua("lib/end-early", 'redis.call("SPUBLISH", key.orders(worker), "stop " .. entry)', "")
    ],
    breaks: ["I2", "I11"],
    campaign: { mix: { cancel: 1 } }
  },
  {
    bug: "what a dead worker held goes with it",
    changes: [
      lua("lib/leases", "  give_back(theirs, dead, now, retention, crashes_suspect, crashes_max)\n", "")
    ],
    breaks: ["I1"],
    campaign: { mix: { plain: 1, speech: 1 }, sure: [[0, killWorker]] }
  },
  {
    bug: "what a dead worker held goes on as the same attempt",
    changes: [
      lua(
        "lib/give-back",
        "local next_entry, segment = next_run(entry), sub(entry, 1, 8)",
        "local next_entry, segment = entry, sub(entry, 1, 8)"
      )
    ],
    breaks: ["I3"],
    campaign: { mix: { plain: 1, speech: 1 }, sure: [[0, killWorker]] }
  },
  {
    bug: "the deaths of workers are not counted",
    changes: [lua("lib/give-back", "crashes = crashes + 1", "crashes = crashes + 0")],
    breaks: ["I1", "I6"],
    campaign: { mix: { plain: 1 }, sure: [[400, async ({ poison }) => poison()]] }
  },
  {
    bug: "failed attempts are not counted",
    changes: [ts("runtime/retry", "if (failed >= policy.attempts) return undefined", "")],
    breaks: ["I1", "I6"],
    campaign: { mix: { failing: 1 } }
  },
  {
    bug: "two of one key run at a time",
    changes: [
      lua(
        "lib/boxes",
        "limit - taken_of(name)\n      local count",
        "limit + 1 - taken_of(name)\n      local count"
      )
    ],
    breaks: ["I5"],
    campaign: { mix: { keyed: 1 }, calls: 640 }
  },
  {
    bug: "idempotency keys are not looked at",
    changes: [lua("task-admit", "  if not pointer then\n", "  if true then\n")],
    breaks: ["I4"],
    campaign: { mix: { conflict: 1 } }
  },
  {
    bug: "an idempotency key takes any input",
    changes: [
      lua(
        "task-admit",
        'return sub(pointer, 28) == rule and "found" or "conflict", first',
        'return "found", first'
      )
    ],
    breaks: ["I4"],
    campaign: { mix: { conflict: 1 } }
  },
  {
    bug: "a delay is over at once",
    changes: [
      lua(
        "task-place",
        'sub(due, 1, 1) == "+" and now + tonumber(due) or tonumber(due)',
        'sub(due, 1, 1) == "+" and now or tonumber(due)'
      )
    ],
    breaks: ["early"],
    campaign: { mix: { delayed: 1 } }
  },
  {
    bug: "an input that does not fit is only refused by its worker",
    changes: [
      ts(
        "actors/dispatch/preparation",
        "const fits = definition.readInput(input ?? null)",
        "const fits: ReturnType<typeof definition.readInput> = Result.succeed(input ?? null)"
      )
    ],
    breaks: ["I12"],
    campaign: { mix: { refused: 1 } }
  },
  {
    bug: "what an agent tells others is lost",
    changes: [lua("lib/settle", '      redis.call("RPUSH", key.outbox, ARGV[i + 1])\n', "")],
    breaks: ["kept"],
    campaign: { mix: { told: 1 } }
  },
  {
    bug: "a tenant may read what is another one's",
    changes: [
      ts(
        "actors/dispatch/ownership",
        "isOwn(tenantOfRecord(record), tenant)",
        "tenantOfRecord(record) !== tenant"
      )
    ],
    breaks: ["I9"],
    campaign: { mix: { plain: 1, peek: 1 }, submitters: ["library", "named", "library"] }
  },
  {
    bug: "a connection that is gone is not built again",
    changes: [
      ts(
        "runtime/redis/link",
        "Effect.forever(Effect.flatMap(reconnect, (fresh) => Effect.raceFirst(use(fresh), sayOver)))",
        "Effect.never"
      )
    ],
    breaks: ["I1", "L1"],
    campaign: { mix: { plain: 1 }, sure: [[800, "client kill"]] }
  },
  {
    bug: "what is past its time is counted, and stays",
    changes: [
      lua(
        "lib/segments",
        '      redis.call("UNLINK", key.task(segment))\n',
        '      redis.call("PERSIST", key.task(segment))\n'
      )
    ],
    breaks: ["I10"],
    campaign: { mix: { plain: 1 }, rest: true }
  }
]
