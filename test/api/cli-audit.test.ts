/** What operators do at the command line is noted, whichever command it is: the route table says what there is to note. */
import { expect, test } from "bun:test"
import { isNoted } from "../../api/http/audit.ts"
import { routeTable } from "../../api/http/route-table.ts"
import { programIn } from "../support/program.ts"
import { aNamespace } from "../support/redis.ts"

const absent = "default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE"

/** A command for every operation that is noted where it is asked for by HTTP. Most find nothing; that is noted, too. */
const commands: Readonly<Record<string, { readonly args: string; readonly outcome: string }>> = {
  cancelTask: { args: `cancel ${absent}`, outcome: "task-not-found" },
  rescheduleTask: { args: `reschedule ${absent} --now`, outcome: "task-not-found" },
  retryTask: { args: `retry ${absent}`, outcome: "task-not-found" },
  retryDead: { args: "dead retry --all", outcome: "done" },
  purgeDead: { args: "dead purge --all --yes", outcome: "done" },
  pauseQueue: { args: "queues pause default", outcome: "done" },
  resumeQueue: { args: "queues resume default", outcome: "done" },
  limitQueue: { args: "queues limits default --max-depth 5", outcome: "done" },
  purgeQueue: { args: "queues purge default --yes", outcome: "done" },
  moveTasks: { args: "queues move default default --yes", outcome: "invalid-parameter" },
  drainWorker: { args: "workers drain nobody", outcome: "worker-not-found" },
  drainNode: { args: "workers drain --node nobody", outcome: "node-not-found" },
  createSchedule: { args: "schedules create shop.add --every 1h", outcome: "schedule-refused" },
  updateSchedule: {
    args: "schedules create shop.refuse --every 1h --id none --replace",
    outcome: "schedule-not-found"
  },
  deleteSchedule: { args: "schedules delete none --yes", outcome: "schedule-not-found" },
  pauseSchedule: { args: "schedules pause none", outcome: "schedule-not-found" },
  resumeSchedule: { args: "schedules resume none", outcome: "schedule-not-found" },
  runSchedule: { args: "schedules run none", outcome: "schedule-not-found" },
  resumeAgent: { args: "agents resume shop.cart a/b", outcome: "agent-not-found" },
  resetAgent: { args: "agents reset shop.cart a/b --yes", outcome: "agent-not-found" },
  stopAgent: { args: "agents stop shop.cart a/b --yes", outcome: "agent-not-found" },
  createKey: { args: "keys create --role read", outcome: "done" },
  rotateKey: { args: "keys rotate 000000000000", outcome: "key-not-found" },
  revokeKey: { args: "keys revoke 000000000000", outcome: "key-not-found" }
}

const noted = routeTable.filter((row) => isNoted(row, "admin"))

test("every operation that is noted by HTTP has a command here", () => {
  expect(Object.keys(commands).toSorted()).toEqual(noted.map(({ name }) => name).toSorted())
})

test("the command line notes who did what, on what, and what came of it; what is only counted is not noted", async () => {
  const { troupe } = programIn(aNamespace())
  // A queue is known once something is set of it.
  const { limitQueue, ...others } = commands
  await troupe(limitQueue!.args.split(" "))
  await Promise.all(
    [
      ...Object.values(others).map(({ args }) => args),
      "dead purge --all --dry-run",
      "dead retry --all --dry-run",
      "queues purge default --dry-run"
    ].map((args) => troupe([...args.split(" ")]))
  )

  const { stdout } = await troupe(["keys", "audit", "--json"])

  const entries = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(Object.fromEntries(entries.map(({ outcome, what }) => [what, outcome]))).toEqual(
    Object.fromEntries(Object.entries(commands).map(([what, { outcome }]) => [what, outcome]))
  )
  expect(entries).toHaveLength(noted.length)
  expect(
    new Set(entries.map(({ role, tenant, who }) => `${role} ${tenant} ${/^cli:.+@./.test(who)}`))
  ).toEqual(new Set(["admin default true"]))
  expect(entries.find(({ what }) => what === "stopAgent")).toMatchObject({
    on: "/v1/agents/shop.cart/a%2Fb/stop"
  })
}, 60_000)
