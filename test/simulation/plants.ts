/** Bugs to plant in the store of a simulation, one at a time: what looks for them is trusted once it has found each. */
import { Effect } from "effect"
import { Admission } from "../../runtime/admission.ts"
import type { Heap } from "../../runtime/memory/heap.ts"
import { Steps } from "../../runtime/steps.ts"
import { Store } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Turn } from "../../runtime/turn.ts"
import { type Entry, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import type { Blow } from "./plan.ts"
import type { Stored } from "./server.ts"

export interface Plant {
  readonly bug: string
  readonly plant: (stored: Stored) => void
  /** What befalls the system beside the weather, where the bug shows in nothing else. */
  readonly amid?: Blow["kind"]
}

/** Does something to a partition, and to what a turn says, before each turn. */
const beforeTurns =
  (change: (heap: Heap, turn: Turn) => Turn | undefined): Plant["plant"] =>
  ({ heaps, of }) => {
    const store = of(Store)
    const { turn } = store
    store.turn = (partition, said) =>
      Effect.suspend(() => turn(partition, change(heaps.of(partition), said) ?? said))
  }

/** What is stored is not quite what was to be. */
const otherwise =
  (change: (task: NewTask) => NewTask): Plant["plant"] =>
  ({ of }) => {
    const store = of(Store)
    const admission = of(Admission)
    const { submit } = store
    const { admit } = admission
    store.submit = (partition, tasks, options) => submit(partition, tasks.map(change), options)
    admission.admit = (partition, task, guards) => admit(partition, change(task), guards)
  }

/** Lets entries count as a worker's for as long as something is done. */
const asHeld = <A, E>(
  heap: Heap,
  worker: string,
  entries: ReadonlyArray<Entry>,
  then: () => Effect.Effect<A, E>
) =>
  Effect.suspend(() => {
    const held = heap.heldBy(worker)
    const added = entries.filter((entry) => !held.has(entry))
    for (const entry of added) held.add(entry)
    return Effect.ensuring(
      then(),
      Effect.sync(() => {
        for (const entry of added) held.delete(entry)
      })
    )
  })

export const plants: ReadonlyArray<Plant> = [
  {
    bug: "one submit in ten is acknowledged and not stored",
    plant: ({ of }) => {
      const store = of(Store)
      const { submit } = store
      let said = 0
      store.submit = (...args) => Effect.suspend(() => (++said % 10 === 0 ? Effect.void : submit(...args)))
    }
  },
  {
    bug: "a submit said again puts its tasks into their lanes once more",
    plant: ({ heaps, of }) => {
      const store = of(Store)
      const { submit } = store
      store.submit = (partition, tasks, options) =>
        Effect.suspend(() => {
          const heap = heaps.of(partition)
          const [first] = tasks
          if (first !== undefined && first.due === undefined && heap.isCurrent(first.entry))
            heap.put(
              tasks.map(({ entry }) => entry),
              false
            )
          return submit(partition, tasks, options)
        })
    }
  },
  {
    bug: "what a dead worker held is never handed back",
    plant: beforeTurns((heap, { worker }) => {
      for (const other of heap.workers.keys())
        if (other !== worker) heap.workers.set(other, Number.MAX_SAFE_INTEGER)
      return undefined
    })
  },
  {
    bug: "a lease is over before its time",
    plant: beforeTurns((heap, { leaseMs, worker }) => {
      for (const [other, until] of heap.workers)
        if (other !== worker) heap.workers.set(other, until - leaseMs / 2)
      return undefined
    })
  },
  {
    bug: "the fence is dropped: whatever a worker names is its own",
    plant: beforeTurns((heap, { settled, worker }) => {
      for (const { entry } of settled)
        if (heap.recordOf(ulidOfEntry(entry))?.startsWith("Q") === true) heap.heldBy(worker).add(entry)
      return undefined
    })
  },
  {
    bug: "events of a run that is over are stored",
    plant: ({ heaps, of }) => {
      const store = of(Store)
      const { append } = store
      store.append = (partition, worker, events) =>
        asHeld(
          heaps.of(partition),
          worker,
          events.map(({ entry }) => entry),
          () => append(partition, worker, events)
        )
    }
  },
  {
    bug: "steps of a run that is over are remembered",
    plant: ({ heaps, of }) => {
      const steps = of(Steps)
      const { remember } = steps
      steps.remember = (partition, worker, entry, step) =>
        asHeld(heaps.of(partition), worker, [entry], () => remember(partition, worker, entry, step))
    }
  },
  {
    bug: "a cancelled task stays its worker's, and its result is taken",
    plant: ({ heaps, of }) => {
      const store = of(Store)
      const { cancel } = store
      store.cancel = (partition, ulid, reason) =>
        Effect.suspend(() => {
          const heap = heaps.of(partition)
          const record = heap.recordOf(ulid)
          const holding = [...heap.held].flatMap(([worker, held]) =>
            [...held].filter((entry) => ulidOfEntry(entry) === ulid).map((entry) => [worker, entry] as const)
          )
          return Effect.tap(cancel(partition, ulid, reason), () =>
            Effect.sync(() => {
              for (const [worker, entry] of holding) heap.heldBy(worker).add(entry)
              if (record !== undefined && holding.length > 0) heap.countLiving(1)
            })
          )
        })
    }
  },
  {
    bug: "one retry in three is forgotten",
    plant: ({ heaps, of }) => {
      const store = of(Store)
      const { turn } = store
      let seen = 0
      store.turn = (partition, said) =>
        Effect.tap(turn(partition, said), () =>
          Effect.sync(() => {
            for (const one of said.settled)
              if (one.kind === "retry" && ++seen % 3 === 0)
                heaps.of(partition).later.delete(nextRun(one.entry))
          })
        )
    }
  },
  {
    bug: "leases are judged whatever the clock does",
    amid: "jump",
    plant: beforeTurns((_, turn) => ({ ...turn, expectedNow: 0, judges: true }))
  },
  {
    bug: "a turn said again does not tell what its worker holds",
    plant: ({ of }) => {
      const store = of(Store)
      const { turn } = store
      store.turn = (partition, said) => Effect.map(turn(partition, said), (reply) => ({ ...reply, held: [] }))
    }
  },
  {
    bug: "a parent is not told of a child's end",
    plant: ({ of }) => {
      of(Store).childrenEnded = () => Effect.void
    }
  },
  {
    bug: "the outbox forgets what was read, relayed or not",
    plant: ({ of }) => {
      const store = of(Store)
      const { drop, outbox } = store
      store.outbox = (partition, most) =>
        Effect.tap(outbox(partition, most), (messages) => drop(partition, messages))
    }
  },
  {
    bug: "what a message sends is not stored",
    plant: beforeTurns((_, turn) => ({
      ...turn,
      settled: turn.settled.map((one) =>
        one.kind === "end" && one.act !== undefined ? { ...one, act: { ...one.act, sent: [] } } : one
      )
    }))
  },
  {
    bug: "an idempotency key is forgotten at once",
    plant: ({ heaps, of }) => {
      const admission = of(Admission)
      const { admit } = admission
      admission.admit = (partition, task, guards) =>
        Effect.suspend(() => {
          heaps.of(partition).guards.clear()
          return admit(partition, task, guards)
        })
    }
  },
  {
    bug: "a key runs as many of its tasks at once as there are",
    plant: otherwise((task) =>
      task.box === undefined ? task : { ...task, box: { ...task.box, limit: 0, ordered: false } }
    )
  },
  {
    bug: "a delay is not kept",
    plant: otherwise(({ due: _, ...task }) => task)
  },
  {
    bug: "what is past its retention is not dropped",
    plant: ({ of }) => {
      of(Store).sweep = () => Effect.succeed({ dropped: 0, remembered: [] })
    }
  },
  {
    bug: "a task that is tried again keeps its old run",
    plant: ({ heaps, of }) => {
      const store = of(Store)
      const { evict } = store
      store.evict = (partition, worker) =>
        Effect.suspend(() => {
          const heap = heaps.of(partition)
          const held = [...heap.heldBy(worker)].filter((entry) => heap.isCurrent(entry))
          for (const entry of held) heap.heldBy(worker).delete(entry)
          heap.put(held, true)
          return evict(partition, worker)
        })
    }
  }
]
