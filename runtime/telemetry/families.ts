/**
 * Every metric there is: its kind, what it means, and its labels. What is measured, shown on the dashboard, alerted on
 * and documented goes by these names, and tests hold all of them to this table.
 *
 * Names and units follow the conventions of Prometheus: base units, `_total` for what only grows. A metric of a
 * `process` is that process's own, and carries its name as the label `process`; those of several processes may be added.
 * One of the `cluster` is the same whichever API process is asked, and must not be added over them.
 */

export interface Family {
  readonly kind: "counter" | "gauge" | "histogram"
  readonly of: "cluster" | "process"
  readonly help: string
  readonly labels: ReadonlyArray<string>
}

const counter = (of: Family["of"], help: string, ...labels: ReadonlyArray<string>): Family => ({
  kind: "counter",
  of,
  help,
  labels
})
const gauge = (of: Family["of"], help: string, ...labels: ReadonlyArray<string>): Family => ({
  kind: "gauge",
  of,
  help,
  labels
})
const histogram = (of: Family["of"], help: string, ...labels: ReadonlyArray<string>): Family => ({
  kind: "histogram",
  of,
  help,
  labels
})

export const families = {
  // What happens to tasks, in all processes together.
  troupe_tasks_submitted_total: counter("cluster", "Tasks that were stored.", "queue"),
  troupe_tasks_started_total: counter("cluster", "Runs that were claimed by a worker.", "queue"),
  troupe_tasks_succeeded_total: counter("cluster", "Tasks that succeeded.", "queue"),
  troupe_tasks_failed_total: counter(
    "cluster",
    "Tasks that failed for good; each became a dead letter.",
    "queue"
  ),
  troupe_tasks_retried_total: counter(
    "cluster",
    "Runs that are followed by another: after a failure, or a snooze.",
    "queue"
  ),
  troupe_tasks_cancelled_total: counter("cluster", "Tasks that were cancelled.", "queue"),
  troupe_tasks_expired_total: counter("cluster", "Tasks that expired before they started.", "queue"),
  troupe_task_wait_seconds: histogram("cluster", "From the time a run was due to its start.", "queue"),
  troupe_task_run_seconds: histogram("cluster", "From the start of a run to its end.", "queue"),
  troupe_workers_reaped_total: counter(
    "cluster",
    "Workers whose lease ended with them; what they held went to others.",
    "queue"
  ),

  // How queues stand.
  troupe_queue_depth: gauge(
    "cluster",
    "Tasks that wait for a worker, by lane; boxed: in the box of a key or a limit.",
    "queue",
    "lane"
  ),
  troupe_queue_oldest_seconds: gauge(
    "cluster",
    "How long ago the oldest waiting task was submitted, whenever it was due; 0 when none waits.",
    "queue"
  ),
  troupe_queue_running: gauge("cluster", "Tasks that are held by workers.", "queue"),
  troupe_queue_scheduled: gauge(
    "cluster",
    "Tasks whose time has not come: delayed, or to be retried.",
    "queue"
  ),
  troupe_queue_waiting: gauge("cluster", "Tasks that wait for their children.", "queue"),
  troupe_queue_dead_letters: gauge("cluster", "Failed tasks that are kept.", "queue"),
  troupe_queue_suspects: gauge(
    "cluster",
    "Tasks without a key or a limit that wait to run alone: two workers died with them.",
    "queue"
  ),
  troupe_queue_outbox: gauge("cluster", "Messages that wait to be relayed to other partitions.", "queue"),
  troupe_queue_segments: gauge("cluster", "Hashes of task records, of living and of kept tasks.", "queue"),
  troupe_queue_boxes: gauge("cluster", "Boxes of keys and limits that have work or a run.", "queue"),
  troupe_queue_paused: gauge("cluster", "1 when the queue hands out nothing.", "queue"),
  troupe_queue_workers: gauge("cluster", "Workers with a lease on the queue that has not run out.", "queue"),
  troupe_queue_concurrency: gauge("cluster", "Tasks that these workers can run at once.", "queue"),
  troupe_agents_quarantined: gauge(
    "cluster",
    "Agents that hand out nothing until they are resumed.",
    "queue"
  ),
  troupe_queues: gauge("cluster", "Queues there are."),
  troupe_queues_left_out: gauge(
    "cluster",
    "Queues of which nothing is told, since there are too many: those that are served go first, then those with work."
  ),

  // Who is there, and what is shared.
  troupe_workers: gauge("cluster", "Workers by state: running, draining, lost.", "state"),
  troupe_nodes: gauge("cluster", "Nodes by state: running, draining, lost.", "state"),
  troupe_limit_used: gauge("cluster", "What is used of a limit's rate in its window.", "limit"),
  troupe_limit_running: gauge("cluster", "Permits of a limit that are out.", "limit"),
  troupe_limit_cooling_seconds: gauge("cluster", "For how long yet a limit grants nothing.", "limit"),
  troupe_schedules: gauge("cluster", "Schedules there are."),
  troupe_schedule_lateness_seconds: gauge(
    "cluster",
    "How long the schedule that is most overdue should have been looked at; 0 when none is."
  ),
  troupe_redis_up: gauge("cluster", "1 when the figures of the cluster could be read."),
  troupe_redis_keys: gauge("cluster", "Keys in the database, whosever they are."),
  troupe_redis_memory_used_bytes: gauge("cluster", "What Redis takes of its machine's memory."),
  troupe_redis_memory_max_bytes: gauge("cluster", "Its maxmemory; 0 where it has no bound."),
  troupe_cluster_read_seconds: gauge("cluster", "How long it took to read the figures of the cluster."),

  // What one process does.
  troupe_redis_script_seconds: histogram("process", "From sending a script to its answer.", "script"),
  troupe_redis_script_errors_total: counter(
    "process",
    "Scripts that Redis refused, or did not answer in time.",
    "script"
  ),
  troupe_redis_reconnects_total: counter("process", "Connections to Redis that were built anew.", "link"),
  troupe_leases_fenced_total: counter("process", "Times a worker found that its lease was lost."),
  troupe_turns_unanswered_total: counter("process", "Turns of a worker that got no answer in time."),
  troupe_claims_given_back_total: counter(
    "process",
    "Claims that a worker held and had not heard of, since an answer or an order was lost."
  ),
  troupe_claims_crowded_total: counter(
    "process",
    "Claims that found no free place when they came, and went back to their mailboxes."
  ),
  troupe_outbox_failures_total: counter("process", "Times an outbox could not be relayed."),
  troupe_callbacks_without_room_total: counter(
    "process",
    "Callbacks that were told without their output, or not, since too many of their tenant wait.",
    "told"
  ),
  troupe_child_restarts_total: counter(
    "process",
    "Processes that a node started in place of another.",
    "child"
  ),
  troupe_http_requests_total: counter("process", "Requests that were answered.", "method", "route", "status"),
  troupe_http_request_seconds: histogram(
    "process",
    "From a request to the head of its answer.",
    "method",
    "route"
  ),
  troupe_http_requests_in_flight: gauge("process", "Requests and streams that are being answered."),
  troupe_followers: gauge("process", "Streams of events that are open, and subscriptions of web sockets."),
  troupe_event_loop_lag_seconds: histogram(
    "process",
    "How late a timer was that is due four times a second."
  ),
  troupe_build_info: gauge("process", "Always 1; the labels say what runs.", "version", "bun", "effect"),
  process_cpu_seconds_total: counter("process", "Time on processors, user and system."),
  process_resident_memory_bytes: gauge("process", "Resident memory."),
  process_start_time_seconds: gauge("process", "When the process started, in Unix seconds."),
  process_open_fds: gauge("process", "Open file descriptors.")
} as const satisfies Readonly<Record<string, Family>>

export type FamilyName = keyof typeof families
