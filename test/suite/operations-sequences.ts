/**
 * Random sequences of what workers and operators do, on two stores in lockstep. Every answer is compared, and now and
 * then all that there is to be seen. A sequence follows from its seed alone.
 */
import { Effect } from "effect"
import { Operations, type Shelf } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import type { Box } from "../../runtime/mailbox.ts"
import type { Settlement } from "../../runtime/turn.ts"
import { decodeRecord, encodeRecord } from "../../runtime/record.ts"
import { type Entry, lanes, nextRun } from "../../runtime/task.ts"
import { type OperationsUnderTest, walked } from "../support/operations.ts"
import { partition } from "../support/stores.ts"
import { anEnvelope, aTask, aTurn, end, release, retry, ulidAt } from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

type Step = Effect.Effect<unknown, never, OperationsUnderTest>

/** Runs a step on one store. */
export type Side = (step: Step) => Effect.Effect<unknown>

const shelves: ReadonlyArray<Shelf> = ["waiting", "running", "later", "dead", "all"]
const workers = ["a", "b"]
const keys = ["k", "l|m", "n*"]

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** All that there is to be seen, in pieces of a size. */
const look = (most: number): Step =>
  Effect.gen(function* () {
    const { minutes, queue, workers } = yield* Operations
    const tasks: Record<string, unknown> = {}
    for (const shelf of shelves) tasks[shelf] = yield* walked(shelf, most)
    return [yield* queue(partition), tasks, yield* workers(partition), yield* minutes(partition, 3)]
  }).pipe(Effect.orDie)

const aSequence = (seed: number) => {
  const random = randomFrom(seed)
  const upTo = (most: number) => Math.floor(random() * (most + 1))
  const one = <A>(of: ReadonlyArray<A>): A => of[upTo(of.length - 1)]!
  const held = new Map<string, Array<Entry>>(workers.map((worker) => [worker, []]))
  let made = 0

  const aBox = (): Box => {
    const key = one(keys)
    return { name: `|${key}`, limit: keys.indexOf(key), ordered: key === "l|m" }
  }

  const submit = (): Step => {
    const some = Array.from({ length: 1 + upTo(3) }, () =>
      aTask({
        ulid: ulidAt(startOfTime + upTo(5) * 1_100, ++made),
        lane: one(lanes),
        ...(random() < 0.4 ? { box: aBox() } : {}),
        ...(random() < 0.3 ? { due: { afterMs: upTo(3) * 1_000 } } : {}),
        ...(random() < 0.2 ? { expiresAt: startOfTime + upTo(60) * 1_000 } : {})
      })
    )
    return Effect.flatMap(Store, (store) => Effect.result(store.submit(partition, some)))
  }

  const claim = (): Step => {
    const worker = one(workers)
    const turn = aTurn(worker, { want: upTo(3), leaseMs: 600_000 })
    return Effect.flatMap(Store, (store) => store.turn(partition, turn)).pipe(
      Effect.map(({ claimed, lost }) => {
        for (const { entry } of claimed) {
          const theirs = held.get(worker)!
          if (!theirs.includes(entry)) theirs.push(entry)
        }
        return [claimed, lost]
      }),
      Effect.orDie
    )
  }

  const settle = (): Step => {
    const worker = one(workers)
    const entries = held.get(worker)!.splice(0, 1 + upTo(2))
    const settled = entries.map((entry): Settlement =>
      one([() => end(entry), () => end(entry, "F"), () => retry(entry, 1_000), () => release(entry)])()
    )
    return Effect.flatMap(Store, (store) => store.turn(partition, aTurn(worker, { settled }))).pipe(
      Effect.map(({ lost }) => lost),
      Effect.orDie
    )
  }

  const evict = (): Step => {
    const worker = one(workers)
    held.set(worker, [])
    return Effect.flatMap(Store, (store) =>
      Effect.andThen(
        store.evict(partition, worker),
        Effect.map(store.turn(partition, aTurn("reaper")), ({ lost }) => lost)
      )
    ).pipe(Effect.orDie)
  }

  const operate = <A>(what: (operations: Operations["Service"]) => Effect.Effect<A, unknown>): Step =>
    Effect.flatMap(Operations, what).pipe(Effect.orDie)

  const revive = (): Step => {
    const most = 1 + upTo(2)
    const wrong = random() < 0.2
    return Effect.gen(function* () {
      const store = yield* Store
      const operations = yield* Operations
      const { ids } = yield* operations.scan(partition, "dead", undefined, most)
      const dead = ids.map((id) => id.slice(-26))
      const read = yield* store.read(partition, dead)
      return yield* operations.revive(
        partition,
        dead.map((ulid, at) => {
          const expected = read[at]!.record
          const { header } = decodeRecord(expected)
          const record = encodeRecord({ ...header, letter: "Q", run: header.run + 1 }, anEnvelope("again"))
          const entry = nextRun(`${ulid}${record.slice(1, 2)}${header.run}`)
          const box = { name: "|k", limit: 1, ordered: true }
          return {
            ulid,
            expected: wrong ? "other" : expected,
            record,
            entry,
            ...(header.boxed === true ? { box } : {})
          }
        })
      )
    }).pipe(Effect.orDie)
  }

  const bury = (): Step => {
    const most = 1 + upTo(1)
    return operate((operations) =>
      Effect.flatMap(operations.scan(partition, "dead", undefined, most), ({ ids }) =>
        operations.bury(
          partition,
          ids.map((id) => id.slice(-26))
        )
      )
    )
  }

  const limits = () => (random() < 0.5 ? {} : { maxDepth: 5 + upTo(20), concurrency: 1 + upTo(5) })

  const steps: ReadonlyArray<() => Step> = [
    submit,
    submit,
    submit,
    claim,
    claim,
    claim,
    settle,
    settle,
    settle,
    evict,
    revive,
    bury,
    () => {
      const by = upTo(3_000)
      return Effect.flatMap(TestTime, (time) => time.advance(by))
    },
    () => {
      const paused = random() < 0.4
      return operate(({ pause }) => pause(partition, paused))
    },
    () => {
      const [paused, key] = [random() < 0.5, one(keys)]
      return operate(({ pause }) => pause(partition, paused, key))
    },
    () => {
      const some = limits()
      return operate(({ limit }) => limit(partition, some))
    },
    () => {
      const most = upTo(4)
      return operate(({ purge }) => purge(partition, most, "no"))
    },
    () => {
      const deadMax = upTo(6)
      return operate(({ trim }) => trim(partition, { deadMax, deadBytes: Number.MAX_SAFE_INTEGER }))
    },
    () => {
      const count = upTo(5)
      return operate((operations) => operations.count(partition, { submitted: count }))
    }
  ]
  return { next: () => one(steps)(), look: () => look(1 + upTo(5)) }
}

/** Runs the sequence of a seed. Dies where the sides differ. */
export const runSequence = Effect.fnUntraced(function* (
  sides: ReadonlyArray<Side>,
  seed: number,
  length: number
) {
  const sequence = aSequence(seed)
  for (let at = 1; at <= length; at++) {
    for (const step of [sequence.next(), ...(at % 5 === 0 ? [sequence.look()] : [])]) {
      const [one, other] = [yield* sides[0]!(step), yield* sides[1]!(step)]
      if (!Bun.deepEquals(one, other)) {
        return yield* Effect.die(
          new Error(
            `they differ at step ${at} (OPERATIONS_SEED=${seed} OPERATIONS_SEQUENCES=1 makes it again):\n${Bun.inspect(one, { depth: 9 })}\n\n${Bun.inspect(other, { depth: 9 })}`
          )
        )
      }
    }
  }
})
