/**
 * Whether a task is one's own: what is another tenant's is not found, in the same words and as soon as what is not there.
 */
import { Effect } from "effect"
import { Store, type StoreError } from "../../runtime/store.ts"
import { decodeRecord, type Envelope, readEnvelope, readOutcome } from "../../runtime/record.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { isOwn, mayBeOfOthers, Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { TaskNotFound } from "./replies.ts"

/** Whose a record is; `undefined` for the tenant `default`. */
export const tenantOfRecord = (record: string): string | undefined => {
  const { header, json } = decodeRecord(record)
  const task: Omit<Envelope, "input"> = header.letter === "Q" ? readEnvelope(json) : readOutcome(json).task
  return task.tenant
}

/** Whether its record must be read to tell whose it is: an id says of most that they are of the tenant `default`. */
const isPlainly = (id: TaskId, tenant: string) => tenant === tenantDefault && !mayBeOfOthers(ulidOfId(id))

export interface Ownership {
  /** Fails for a task that is not there, or not the caller's; for one that is plainly its own, nothing is looked up. */
  readonly check: (id: TaskId) => Effect.Effect<void, TaskNotFound | StoreError>
  /** Fails where a task, whose record was read, is not the caller's. */
  readonly checkRecord: (id: TaskId, record: string) => Effect.Effect<void, TaskNotFound>
}

export const makeOwnership = Effect.gen(function* () {
  const store = yield* Store

  const checkRecord: Ownership["checkRecord"] = (id, record) =>
    Effect.flatMap(Tenant, (tenant) =>
      isPlainly(id, tenant) || isOwn(tenantOfRecord(record), tenant)
        ? Effect.void
        : Effect.fail(new TaskNotFound({ id }))
    )

  const check: Ownership["check"] = (id) =>
    Effect.flatMap(Tenant, (tenant) =>
      isPlainly(id, tenant)
        ? Effect.void
        : Effect.flatMap(
            store.read(partitionOfId(id), [ulidOfId(id)]),
            ([found]): Effect.Effect<void, TaskNotFound> =>
              found === undefined ? Effect.fail(new TaskNotFound({ id })) : checkRecord(id, found.record)
          )
    )

  const ownership: Ownership = { check, checkRecord }
  return ownership
})
