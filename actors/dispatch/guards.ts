/** The guards that a task's options ask for: a decision over plain values. */
import { Duration, Result } from "effect"
import type { Guard } from "../../runtime/admission.ts"
import { sha256 } from "../../runtime/digest.ts"
import { type NewTaskJson, SubmitRefused } from "./new-task.ts"

/** How long a result is taken for a second one when nobody says. */
const cacheDefaultMs = Duration.toMillis("1 hour")

/** The same text for the same JSON value, whatever the order of its keys. */
const stable = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part
  )

/** A task's handler, input and queue, in 64 letters. */
export const hashOf = ({ input, name, queue = "" }: Pick<NewTaskJson, "input" | "name" | "queue">): string =>
  sha256(`${name}\n${queue}\n${stable(input)}`)

/** Most tasks ask for none. */
const none: Result.Result<ReadonlyArray<Guard>, never> = Result.succeed([])
const options = ["idempotencyKey", "unique", "throttle", "cache", "debounce"] as const

/** A handler's name has no blank in it and no slash, so tenants' guards never meet. */
export const guardName = (tenant: string | undefined, handler: string, key: string): string =>
  tenant === undefined ? `${handler} ${key}` : `/${tenant} ${handler} ${key}`

/**
 * In the order they are asked: an idempotency key first, since whatever is found is then found by it again. Names are
 * a handler's own. A task may not be relied on for longer than it is kept, which begins `dueInMs` later where it is to start
 * later.
 */
export const guardsOf = (
  task: NewTaskJson,
  retentionMs: number,
  tenant?: string,
  dueInMs = 0
): Result.Result<ReadonlyArray<Guard>, SubmitRefused> => {
  if (options.every((option) => task[option] === undefined)) return none
  const { cache, debounce, idempotencyKey, name, throttle, unique } = task
  const guards: Array<Guard> = []
  const faults: Array<{ path: string; message: string }> = []
  const kept = (option: string, forMs: number) => {
    if (forMs > retentionMs) {
      faults.push({ path: `/${option}/forMs`, message: `longer than tasks are kept, ${retentionMs} ms` })
    }
    return forMs
  }
  const named = (key: string) => guardName(tenant, name, key)

  if (idempotencyKey !== undefined) {
    const keepMs = retentionMs + dueInMs
    guards.push({ kind: "idempotency", name: named(idempotencyKey), hash: hashOf(task), keepMs })
  }
  if (unique !== undefined) {
    const what = unique.key === undefined ? `input ${hashOf(task)}` : `key ${unique.key}`
    guards.push({ kind: "unique", name: named(what), until: unique.until })
  }
  if (throttle !== undefined) {
    guards.push({ kind: "throttle", name: named(throttle.key), forMs: kept("throttle", throttle.forMs) })
  }
  if (cache !== undefined) {
    const forMs = cache === true ? Math.min(cacheDefaultMs, retentionMs) : kept("cache", cache.forMs)
    guards.push({ kind: "cache", name: named(hashOf(task)), forMs })
  }
  if (debounce !== undefined) guards.push({ kind: "debounce", name: named(debounce.key) })
  return faults.length === 0 ? Result.succeed(guards) : Result.fail(new SubmitRefused({ faults }))
}
