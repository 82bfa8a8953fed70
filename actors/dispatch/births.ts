/** Prepares and stores the children of this process's runs, as `Offspring` promises it. */
import { Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { partitionOfId } from "../../runtime/task.ts"
import { makeTally } from "../tally.ts"
import { makeLookout } from "./lookout.ts"
import { Offspring } from "./offspring.ts"
import { makeOutbox } from "./outbox.ts"
import { makePreparing, sharedQueues, whenPrepared } from "./preparing.ts"
import { makeUnserved } from "./unserved.ts"

/** Give it the store, the handlers and the settings. */
export const layer = Layer.effect(
  Offspring,
  Effect.gen(function* () {
    const outbox = yield* makeOutbox
    const tally = yield* makeTally
    const lookout = yield* makeLookout(sharedQueues(yield* Settings))
    const unserved = yield* makeUnserved(lookout)
    const preparing = yield* makePreparing(lookout)
    return Offspring.of({
      prepare: (task, birth) =>
        whenPrepared(
          () => preparing(task, { birth }),
          // One that was prepared before may be there already.
          (one) =>
            birth.id === undefined ? unserved.unanswered(one, Effect.succeed(one)) : Effect.succeed(one)
        ),
      store: (prepared) => {
        const partition = partitionOfId(prepared.id)
        return Effect.tap(outbox.submit(partition, [prepared]), () =>
          Effect.sync(() => tally.submitted(partition, 1))
        )
      }
    })
  })
)
