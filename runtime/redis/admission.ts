/** Admission in Redis: one script, whose arguments and replies only this file knows. */
import { Duration, Effect, Layer } from "effect"
import { Admission, type Guard, keptAfterMsOf, keptMsOf, memberOf } from "../admission.ts"
import { Settings } from "../config.ts"
import { AgentBusy, StoreError, StoreFull } from "../store.ts"
import { ulidLength } from "../task.ts"
import { Scripted } from "./scripted.ts"
import { isFull, otherOf, refusalOf } from "./store.ts"

/** What the script judges a guard by. */
const ruleOf = (guard: Guard): string => {
  if (guard.kind === "idempotency") return guard.hash
  return guard.kind === "unique" ? guard.until : ""
}

const argumentsOf = (guard: Guard) => [
  memberOf(guard),
  ruleOf(guard),
  keptMsOf(guard) ?? "",
  keptAfterMsOf(guard)
]

type Reply = 0 | readonly [ulid: string, member?: string] | readonly [bound: string, limit: string]

const make = Effect.gen(function* () {
  const { run } = yield* Scripted
  const retentionMs = Duration.toMillis((yield* Settings).retention)

  const admit: Admission["Service"]["admit"] = Effect.fnUntraced(function* (partition, task, guards) {
    const reply = yield* run<Reply>("task-admit", partition, [
      ...otherOf(task),
      retentionMs,
      task.arrival ?? "",
      ...guards.flatMap(argumentsOf)
    ]).pipe(
      Effect.mapError((error) =>
        isFull(error) ? new StoreFull() : new StoreError({ operation: "Admission.admit", cause: error.cause })
      )
    )
    if (reply === 0) return { kind: "stored" }
    const [ulid, detail] = reply
    if (detail === undefined) return { kind: "conflict", ulid }
    if (ulid === "b") return yield* new AgentBusy({ agent: detail })
    if (ulid.length < ulidLength) return yield* refusalOf(partition, [ulid, detail])
    const by = guards.find((guard) => memberOf(guard) === detail)!.kind
    return { kind: "found", ulid, by }
  })

  return Admission.of({ admit })
})

/** Admission in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Admission, make)
