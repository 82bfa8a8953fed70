/**
 * What operators do at the command line is noted in the audit log as it is where they do it by HTTP: under the same name,
 * of the same address, with the same word for what came of it. What was only counted was not done, and is not noted.
 */
import { Cause, Clock, Effect, Exit } from "effect"
import { hostname, userInfo } from "node:os"
import { Access, type AuditEntry } from "../../runtime/access.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
import type { Troupe } from "../client/effect.ts"
import { kinds } from "../http/problem.ts"

/** Whoever does something by hand on this machine, as the log has it. */
const hands = () => {
  try {
    return `cli:${userInfo().username}@${hostname()}`
  } catch {
    // No user has this number.
    return `cli:${process.pid}@${hostname()}`
  }
}

/** The type of the problem that HTTP has for it. */
const outcomeOf = <E>(cause: Cause.Cause<E>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const error: unknown = Cause.squash(cause)
  if (typeof error !== "object" || error === null || !("_tag" in error)) return "internal"
  const tag = String(error._tag)
  return tag in kinds ? kinds[tag as keyof typeof kinds].types[0] : "internal"
}

/** Does something that is to be noted, and notes what came of it. What cannot be noted was done nevertheless. */
export const noting = <A, E, R>(
  what: string,
  on: string,
  effect: Effect.Effect<A, E, R>,
  tenant: string = tenantDefault
): Effect.Effect<A, E, R | Access> =>
  Effect.onExit(effect, (exit) =>
    Effect.gen(function* () {
      const entry: AuditEntry = {
        at: yield* Clock.currentTimeMillis,
        tenant,
        who: hands(),
        role: "admin",
        what,
        on,
        outcome: Exit.isSuccess(exit) ? "done" : outcomeOf(exit.cause)
      }
      yield* Access.use((access) => access.note(entry))
    }).pipe(Effect.catchCause((cause) => Effect.logWarning("what was done could not be noted", cause)))
  )

type Note = <A, E>(what: string, on: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

interface MayBeDry {
  readonly dryRun?: boolean
}

/** The same, with all that an operator changes by it noted. */
export const noted = (
  troupe: Troupe["Service"],
  tenant: string | undefined,
  access: Access["Service"]
): Troupe["Service"] => {
  const note: Note = (what, on, effect) =>
    Effect.provideService(noting(what, `/v1/${on}`, effect, tenant), Access, access)
  const unlessDry: <A, E>(
    options: MayBeDry | undefined,
    ...said: Parameters<typeof note<A, E>>
  ) => Effect.Effect<A, E> = (options, what, on, effect) =>
    options?.dryRun === true ? effect : note(what, on, effect)
  const { agent, dead, nodes, queues, schedules, workers } = troupe
  return {
    ...troupe,
    cancel: (id, options) => note("cancelTask", `tasks/${id}/cancel`, troupe.cancel(id, options)),
    reschedule: (id, when) => note("rescheduleTask", `tasks/${id}/reschedule`, troupe.reschedule(id, when)),
    retry: (id, options) => note("retryTask", `tasks/${id}/retry`, troupe.retry(id, options)),
    dead: {
      ...dead,
      retry: (selection, options) =>
        unlessDry(options, "retryDead", "dead/retry", dead.retry(selection, options)),
      purge: (selection, options) =>
        unlessDry(options, "purgeDead", "dead/purge", dead.purge(selection, options))
    },
    queues: {
      ...queues,
      pause: (queue, options) => note("pauseQueue", `queues/${queue}/pause`, queues.pause(queue, options)),
      resume: (queue, options) =>
        note("resumeQueue", `queues/${queue}/resume`, queues.resume(queue, options)),
      limit: (queue, limits) => note("limitQueue", `queues/${queue}/limits`, queues.limit(queue, limits)),
      purge: (queue, options) =>
        unlessDry(options, "purgeQueue", `queues/${queue}/purge`, queues.purge(queue, options)),
      move: (queue, move, options) =>
        unlessDry(options, "moveTasks", `queues/${queue}/move`, queues.move(queue, move, options))
    },
    workers: {
      ...workers,
      drain: (id) => note("drainWorker", `workers/${id}/drain`, workers.drain(id))
    },
    nodes: { ...nodes, drain: (id) => note("drainNode", `nodes/${id}/drain`, nodes.drain(id)) },
    schedules: {
      ...schedules,
      create: (task, input, options) =>
        note("createSchedule", "schedules", schedules.create(task, input, options)),
      update: (id, task, input, options) =>
        note("updateSchedule", `schedules/${id}`, schedules.update(id, task, input, options)),
      pause: (id) => note("pauseSchedule", `schedules/${id}/pause`, schedules.pause(id)),
      resume: (id) => note("resumeSchedule", `schedules/${id}/resume`, schedules.resume(id)),
      run: (id) => note("runSchedule", `schedules/${id}/run`, schedules.run(id)),
      delete: (id) => note("deleteSchedule", `schedules/${id}`, schedules.delete(id))
    },
    agent: (identity, key) => {
      const known = agent(identity, key)
      const on = `agents/${known.name}/${encodeURIComponent(key)}`
      return {
        ...known,
        resume: note("resumeAgent", `${on}/resume`, known.resume),
        reset: note("resetAgent", `${on}/reset`, known.reset),
        stop: (reason) => note("stopAgent", `${on}/stop`, known.stop(reason))
      }
    }
  }
}
