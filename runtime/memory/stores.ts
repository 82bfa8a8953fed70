/** Everything that is stored, in the memory of this process. Nothing survives it. */
import { Layer } from "effect"
import * as Access from "./access.ts"
import * as Admission from "./admission.ts"
import * as Agents from "./agents.ts"
import * as Heap from "./heap.ts"
import * as Lifecycle from "./lifecycle.ts"
import * as Limits from "./limits.ts"
import * as Members from "./members.ts"
import * as Operations from "./operations.ts"
import * as Schedules from "./schedules.ts"
import * as Steps from "./steps.ts"
import * as Store from "./store.ts"

const operations = Layer.provide(Operations.layer, Store.layer)

/** The stores of the heaps that are given. */
export const over = Layer.mergeAll(
  Store.layer,
  Steps.layer,
  Access.layer,
  Admission.layer,
  Agents.layer,
  Lifecycle.layer,
  Limits.layer,
  Members.layer,
  Schedules.layer,
  operations
)

export const layer = over.pipe(Layer.provide(Heap.layer))
