/** When the alerts fire, and when they are silent, as Prometheus itself evaluates them, where `promtool` is installed. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const rules = path.resolve(import.meta.dir, "../../deploy/prometheus/alerts.yml")
const folder = mkdtempSync(path.join(tmpdir(), "troupe-alarms-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// Prometheus evaluates all rules at 160 moments, which takes a second of a processor that nobody else uses.
setDefaultTimeout(60_000)

/** Series by what they are called, with their values every 15 seconds: `0+2x40` grows by 2, 40 times. */
type History = Readonly<Record<string, string>>

const minutes = 40
const steady = (value: number) => `${value}+0x${minutes * 4}`
const growing = (each: number) => `0+${each}x${minutes * 4}`
/** What repeats itself for as long. */
const repeated = (...values: ReadonlyArray<number>) =>
  Array.from({ length: minutes * 4 }, (_, at) => values[at % values.length]).join(" ")
/** What each look adds to a counter, again and again. */
const adding = (...values: ReadonlyArray<number>) => {
  let sum = 0
  return Array.from({ length: minutes * 4 }, (_, at) => (sum += values[at % values.length]!)).join(" ")
}

const lanes = ["urgent", "high", "normal", "low", "boxed"]
const bounds = ["0.5", "60", "300", "600", "+Inf"]

/** A queue of which nothing is to be said: it is served, and empty. */
const aQueue = (queue: string): History => ({
  ...Object.fromEntries(
    lanes.map((lane) => [`troupe_queue_depth{queue="${queue}",lane="${lane}"}`, steady(0)])
  ),
  ...Object.fromEntries(
    bounds.map((le) => [`troupe_task_wait_seconds_bucket{queue="${queue}",le="${le}"}`, steady(0)])
  ),
  [`troupe_queue_oldest_seconds{queue="${queue}"}`]: steady(0),
  [`troupe_queue_running{queue="${queue}"}`]: steady(0),
  [`troupe_queue_paused{queue="${queue}"}`]: steady(0),
  [`troupe_queue_workers{queue="${queue}"}`]: steady(2),
  [`troupe_queue_outbox{queue="${queue}"}`]: steady(0),
  [`troupe_agents_quarantined{queue="${queue}"}`]: steady(0),
  [`troupe_tasks_started_total{queue="${queue}"}`]: steady(0),
  [`troupe_tasks_succeeded_total{queue="${queue}"}`]: steady(0),
  [`troupe_tasks_failed_total{queue="${queue}"}`]: steady(0),
  [`troupe_tasks_retried_total{queue="${queue}"}`]: steady(0),
  [`troupe_workers_reaped_total{queue="${queue}"}`]: steady(0)
})

/** A system that is up and idle. */
const idle: History = {
  'up{job="troupe"}': steady(1),
  troupe_redis_up: steady(1),
  troupe_redis_memory_used_bytes: steady(1e8),
  troupe_redis_memory_max_bytes: steady(1e9),
  'troupe_workers{state="lost"}': steady(0),
  'troupe_nodes{state="lost"}': steady(0),
  'troupe_limit_cooling_seconds{limit="model"}': steady(0),
  'troupe_event_loop_lag_seconds_bucket{process="worker 1",le="0.5"}': growing(60),
  'troupe_event_loop_lag_seconds_bucket{process="worker 1",le="+Inf"}': growing(60),
  'troupe_event_loop_lag_seconds_sum{process="worker 1"}': growing(0.1),
  ...aQueue("mail"),
  ...aQueue("calls")
}

/** Fails with what Prometheus says unless exactly these fire, so many times each, at that minute. */
const expectFiring = (history: History, fire: Readonly<Record<string, number>>, minute = minutes - 1) => {
  const file = path.join(folder, "test.json")
  const all = { ...idle, ...history }
  writeFileSync(
    file,
    JSON.stringify({
      rule_files: [rules],
      evaluation_interval: "15s",
      tests: [
        {
          interval: "15s",
          input_series: Object.entries(all).map(([series, values]) => ({ series, values })),
          promql_expr_test: [
            {
              expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
              eval_time: `${minute}m`,
              exp_samples: Object.entries(fire).map(([name, value]) => ({
                labels: `{alertname="${name}"}`,
                value
              }))
            }
          ]
        }
      ]
    })
  )
  const { exitCode, stderr, stdout } = Bun.spawnSync(["promtool", "test", "rules", file])
  expect({ exitCode, said: exitCode === 0 ? "" : stdout.toString() + stderr.toString() }).toEqual({
    exitCode: 0,
    said: ""
  })
}

const mail = (metric: string, labels = "") => `troupe_${metric}{queue="mail"${labels}}`
const calls = (metric: string, labels = "") => `troupe_${metric}{queue="calls"${labels}}`

describe.skipIf(Bun.which("promtool") === null)("of the alerts", () => {
  test("none fires while a system is idle", () => {
    expectFiring({}, {})
  })

  test("one says that a queue stands still whose workers live", () => {
    expectFiring(
      { [mail("queue_depth", ',lane="normal"')]: steady(3), [mail("queue_oldest_seconds")]: growing(15) },
      { TroupeQueueStalled: 1, TroupeQueueBehind: 1 }
    )
  })

  test("none but the one on quarantines tells of messages that wait for an agent in quarantine", () => {
    expectFiring(
      {
        [mail("queue_depth", ',lane="boxed"')]: steady(3),
        [mail("queue_oldest_seconds")]: growing(15),
        [mail("agents_quarantined")]: steady(1)
      },
      { TroupeAgentsQuarantined: 1 }
    )
  })

  test("one warns of boxes that nothing is taken from for no reason that is known", () => {
    const boxed = { [mail("queue_depth", ',lane="boxed"')]: steady(3) }
    const cooling = { 'troupe_limit_cooling_seconds{limit="model"}': steady(60) }

    expectFiring(boxed, { TroupeBoxesStalled: 1 })
    expectFiring({ ...boxed, ...cooling }, { TroupeLimitCooling: 1 })
  })

  test("none takes a queue to be behind whose tasks were delayed for an hour and start when they are due", () => {
    expectFiring(
      {
        [mail("queue_depth", ',lane="normal"')]: steady(2),
        [mail("queue_oldest_seconds")]: steady(3_600),
        [mail("queue_running")]: steady(8),
        [mail("tasks_started_total")]: growing(30),
        [mail("tasks_succeeded_total")]: growing(30),
        ...Object.fromEntries(
          bounds.map((le) => [mail("task_wait_seconds_bucket", `,le="${le}"`), growing(30)])
        )
      },
      {}
    )
  })

  test("one says that a queue is behind, whether tasks start late or all places are taken for long", () => {
    const waiting = {
      [mail("queue_depth", ',lane="normal"')]: steady(900),
      [mail("queue_oldest_seconds")]: steady(500),
      [mail("queue_running")]: steady(8)
    }

    expectFiring(
      {
        ...waiting,
        [mail("tasks_started_total")]: growing(30),
        ...Object.fromEntries(
          bounds.map((le) => [
            mail("task_wait_seconds_bucket", `,le="${le}"`),
            growing(le === "600" || le === "+Inf" ? 30 : 0)
          ])
        )
      },
      { TroupeQueueBehind: 1 }
    )
    expectFiring(waiting, { TroupeQueueBehind: 1 })
  })

  test("none takes a restart of Redis for a connection that is lost again and again", () => {
    const process = 'process="worker 1"'
    const once = `0x40 1+0x${minutes * 4 - 40}`
    const links = ["troupe", "troupe-orders", "troupe-schedules"]
    const restarted = {
      ...Object.fromEntries(
        links.map((link) => [`troupe_redis_reconnects_total{${process},link="${link}"}`, once])
      ),
      // One for each queue that it serves.
      [`troupe_redis_reconnects_total{${process},link="troupe-bell"}`]: once.replace("1+", "16+")
    }

    expectFiring(restarted, {}, 18)
    expectFiring(
      { [`troupe_redis_reconnects_total{${process},link="troupe-orders"}`]: growing(0.25) },
      { TroupeRedisReconnects: 1 }
    )
  })

  test("one, and not one for each queue, says that workers die", () => {
    const dying = adding(...Array.from({ length: 8 }, (_, at) => (at === 0 ? 1 : 0)))
    expectFiring(
      { [mail("workers_reaped_total")]: dying, [calls("workers_reaped_total")]: dying },
      { TroupeWorkersDie: 1 }
    )
  })

  test("one tells of a limit that cools all the time but for the moments in which it is asked again", () => {
    expectFiring(
      { 'troupe_limit_cooling_seconds{limit="model"}': repeated(30, 15, 8, 2, 30, 15, 8, 0) },
      { TroupeLimitCooling: 1 }
    )
    // A service that is asked too often now and then is none that is down.
    expectFiring({ 'troupe_limit_cooling_seconds{limit="model"}': repeated(30, 15, 0, 0, 0, 0) }, {})
  })

  test("one finds a process that is blocked seldom, but for long", () => {
    // Of each two minutes it is blocked for 30 seconds, of which it notes one lag.
    const of = (metric: string) => `troupe_event_loop_lag_seconds_${metric}`
    expectFiring(
      {
        [of('bucket{process="worker 1",le="0.5"}')]: adding(60, 60, 60, 60, 60, 60, 0, 0),
        [of('bucket{process="worker 1",le="+Inf"}')]: adding(60, 60, 60, 60, 60, 60, 0, 1),
        [of('sum{process="worker 1"}')]: adding(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0, 30)
      },
      { TroupeEventLoopBlocked: 1 }
    )
  })

  test("one says that an outbox is stuck, and none that a queue begins with a full one", () => {
    expectFiring({ [mail("queue_outbox")]: steady(500) }, { TroupeOutboxStuck: 1 })
    expectFiring({ [mail("queue_outbox")]: `_x80 500 500 0+0x60` }, {}, 20)
  })
})
