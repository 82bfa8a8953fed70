/**
 * The figures of the whole system, as metrics: read from the store when somebody asks, and at most once a second however
 * many ask.
 *
 * What is read is bounded: so many queues and limits, a few calls each, all within a time limit. When the store does not
 * answer, what is told is that.
 */
import { Cause, Clock, Context, Effect, Layer } from "effect"
import { describe } from "../../runtime/fault.ts"
import { Limits, type LimitState } from "../../runtime/limits.ts"
import { Members } from "../../runtime/members.ts"
import {
  type Lengths,
  Operations,
  type QueueState,
  type StoreMemory,
  type WorkerState
} from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Schedules } from "../../runtime/schedules.ts"
import { type Depth, Store } from "../../runtime/store.ts"
import { type Partition, queueOf } from "../../runtime/task.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import { type Series, seriesOf } from "../../runtime/telemetry/exposition.ts"
import { crewOf, nodeViewOf, type NodeView, type Sighting, type WorkerView } from "./crew.ts"
import { type Interest, QueueChoice } from "./queue-choice.ts"
import { type Counts, distributionOf, Totals } from "./totals.ts"

/** How long one reading is told again. */
const keptFor = "1 second"

/** How long a reading may take; then the store counts as gone. */
const readMax = "4 seconds"

/** How many queues are told of (`queue-choice.ts`), and how many of the others a reading glances at. */
const queuesMax = 200
const glancesMax = 500

/** How many limits are told of, the first by their names. */
const limitsMax = 200

/** How far back a reading looks: who asks more seldom misses what happened in between. */
const minutesBack = 10

export class Figures extends Context.Service<
  Figures,
  {
    /** Never fails: without a store it says that there is none. */
    readonly read: Effect.Effect<ReadonlyArray<Series>>
  }
>()("troupe/Figures") {}

// ---------------------------------------------------------------------------------------------------------
// What is told of what was read
// ---------------------------------------------------------------------------------------------------------

export interface QueueRead {
  readonly partition: Partition
  readonly state: QueueState
  readonly lengths: Lengths
  readonly sightings: ReadonlyArray<Sighting>
  readonly counts: Counts
}

const counters = {
  submitted: "troupe_tasks_submitted_total",
  started: "troupe_tasks_started_total",
  succeeded: "troupe_tasks_succeeded_total",
  failed: "troupe_tasks_failed_total",
  retried: "troupe_tasks_retried_total",
  cancelled: "troupe_tasks_cancelled_total",
  expired: "troupe_tasks_expired_total",
  reaped: "troupe_workers_reaped_total"
} as const

const isLiving = ({ leaseUntil, seenAt }: WorkerState) => leaseUntil > seenAt

/** What is delayed, and dead letters, wait for nobody. */
const interestOf = (workers: ReadonlyArray<WorkerState>, { boxed, held, lanes, waiting }: Depth): Interest =>
  workers.some(isLiving)
    ? "served"
    : boxed + held + waiting + Object.values(lanes).reduce((sum, depth) => sum + depth, 0) > 0
      ? "work"
      : "none"

export const queueSeries = (
  { counts, lengths, partition, sightings, state }: QueueRead,
  now: number
): ReadonlyArray<Series> => {
  const queue = { queue: queueOf(partition) }
  const { boxed, dead, held, lanes, later, waiting } = state.depth
  const living = sightings.filter(({ worker }) => isLiving(worker))
  return [
    ...Object.entries(counters).map(([counter, name]) => seriesOf(name, counts[counter] ?? 0, queue)),
    seriesOf("troupe_task_wait_seconds", distributionOf(counts, "wait"), queue),
    seriesOf("troupe_task_run_seconds", distributionOf(counts, "run"), queue),
    ...Object.entries({ ...lanes, boxed }).map(([lane, depth]) =>
      seriesOf("troupe_queue_depth", depth, { ...queue, lane })
    ),
    seriesOf(
      "troupe_queue_oldest_seconds",
      state.oldest === undefined ? 0 : Math.max(0, now - state.oldest) / 1_000,
      queue
    ),
    seriesOf("troupe_queue_running", held, queue),
    seriesOf("troupe_queue_scheduled", later, queue),
    seriesOf("troupe_queue_waiting", waiting, queue),
    seriesOf("troupe_queue_dead_letters", dead, queue),
    seriesOf("troupe_queue_suspects", lengths.suspects, queue),
    seriesOf("troupe_queue_outbox", lengths.outbox, queue),
    seriesOf("troupe_queue_segments", lengths.segments, queue),
    seriesOf("troupe_queue_boxes", lengths.boxes, queue),
    seriesOf("troupe_queue_paused", state.paused ? 1 : 0, queue),
    seriesOf("troupe_queue_workers", living.length, queue),
    seriesOf(
      "troupe_queue_concurrency",
      living.reduce((sum, { worker }) => sum + (worker.about?.concurrency ?? 0), 0),
      queue
    ),
    seriesOf("troupe_agents_quarantined", state.pausedKeys.filter((key) => key.startsWith("~")).length, queue)
  ]
}

const states = ["running", "draining", "lost"] as const

export const crewSeries = (
  workers: ReadonlyArray<Pick<WorkerView, "state">>,
  nodes: ReadonlyArray<Pick<NodeView, "state">>
): ReadonlyArray<Series> =>
  states.flatMap((state) => [
    seriesOf("troupe_workers", workers.filter((one) => one.state === state).length, { state }),
    seriesOf("troupe_nodes", nodes.filter((one) => one.state === state).length, { state })
  ])

export const limitSeries = (limits: ReadonlyArray<LimitState>, now: number): ReadonlyArray<Series> =>
  limits.flatMap(({ coolsUntil = 0, name: limit, running, used }) => [
    seriesOf("troupe_limit_used", used, { limit }),
    seriesOf("troupe_limit_running", running, { limit }),
    seriesOf("troupe_limit_cooling_seconds", Math.max(0, coolsUntil - now) / 1_000, { limit })
  ])

const storeSeries = ({ max, used }: StoreMemory, keys: number): ReadonlyArray<Series> => [
  seriesOf("troupe_redis_keys", keys),
  seriesOf("troupe_redis_memory_used_bytes", used),
  seriesOf("troupe_redis_memory_max_bytes", max)
]

// ---------------------------------------------------------------------------------------------------------

const make = Effect.gen(function* () {
  const operations = yield* Operations
  const store = yield* Store
  const members = yield* Members
  const limits = yield* Limits
  const schedules = yield* Schedules
  const handlers = yield* Handlers
  const totals = new Totals()
  const choice = new QueueChoice(queuesMax)
  const unread = (yield* Complaints).about(
    "the figures of the cluster could not be read",
    "the figures of the cluster are read again"
  )

  /** Of those that each has for themselves there may be any number. */
  const limitNames = () => {
    const shared = handlers.all.flatMap(({ limits }) => limits).filter(({ each }) => each === undefined)
    return [...new Set(shared.map(({ name }) => name))].sort().slice(0, limitsMax)
  }

  const queue = Effect.fnUntraced(function* (partition: Partition) {
    const [state, lengths, workers, minutes] = yield* Effect.all(
      [
        operations.queue(partition),
        operations.lengths(partition),
        operations.workers(partition),
        operations.minutes(partition, minutesBack)
      ],
      { concurrency: "unbounded" }
    )
    choice.saw(partition, interestOf(workers, state.depth))
    return { partition, state, lengths, minutes, sightings: workers.map((worker) => ({ partition, worker })) }
  })

  const glance = Effect.fnUntraced(function* (partition: Partition) {
    const [workers, depth] = yield* Effect.all([operations.workers(partition), store.depth(partition)], {
      concurrency: 2
    })
    choice.saw(partition, interestOf(workers, depth))
  })

  const reading = Effect.gen(function* () {
    const startedAt = performance.now()
    const all = yield* operations.partitions
    yield* Effect.forEach(choice.glances(all, glancesMax), glance, { concurrency: 8, discard: true })
    const partitions = choice.of(all)
    const queues = yield* Effect.forEach(partitions, queue, { concurrency: 8 })
    totals.take(new Map(queues.map(({ minutes, partition }) => [partition, minutes])), all)
    const [nodes, limited, standing, memory, keys] = yield* Effect.all(
      [members.nodes, limits.states(limitNames()), schedules.standing, operations.memory, operations.keys],
      { concurrency: "unbounded" }
    )
    const now = yield* Clock.currentTimeMillis
    // Its lease is told by each sighting; the length of ours says nothing here.
    const crew = crewOf(
      queues.flatMap(({ sightings }) => sightings),
      0
    )
    return [
      ...queues.flatMap((one) => queueSeries({ ...one, counts: totals.of(one.partition) }, now)),
      ...crewSeries(crew, nodes.map(nodeViewOf)),
      ...limitSeries(limited, now),
      seriesOf("troupe_queues", all.length),
      seriesOf("troupe_queues_left_out", all.length - partitions.length),
      seriesOf("troupe_schedules", standing.count),
      seriesOf("troupe_schedule_lateness_seconds", standing.lateMs / 1_000),
      ...storeSeries(memory, keys),
      seriesOf("troupe_redis_up", 1),
      seriesOf("troupe_cluster_read_seconds", (performance.now() - startedAt) / 1_000)
    ]
  })

  const read = yield* reading.pipe(
    Effect.timeout(readMax),
    Effect.tap(() => unread.well() ?? Effect.void),
    Effect.catchCause((cause) =>
      Effect.as(unread.wrong(describe(Cause.squash(cause)).message), [seriesOf("troupe_redis_up", 0)])
    ),
    Effect.cachedWithTTL(keptFor)
  )
  return Figures.of({ read })
})

/** Give it the stores and the handlers. */
export const layer = Layer.effect(Figures, make)
