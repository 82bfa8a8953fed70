/** What a worker keeps of agents, and the order in which it begins their messages. */
import { describe, expect } from "bun:test"
import { Clock, Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import { type Came, keptCharactersMax, openCells, type Waiting } from "../../../actors/agent/cells.ts"
import { Agents, type StoredAgent } from "../../../runtime/agents.ts"
import { it } from "../../support/effect.ts"
import { partition } from "../../support/stores.ts"

const letters = (json: string): StoredAgent => ({
  revision: "1",
  state: { json, version: 1 },
  timers: new Map()
})

/** The agents of a worker, whose states come from `load`. */
const cellsOver = Effect.fnUntraced(function* (
  load: () => Effect.Effect<StoredAgent> = () => Effect.succeed(letters("1"))
) {
  let reads = 0
  const clock = yield* Clock.Clock
  const agents = Agents.of({
    load: (_, addresses) =>
      Effect.suspend(() => {
        reads += 1
        return Effect.forEach(addresses, load)
      })
  } as Partial<Agents["Service"]> as Agents["Service"])
  const cells = yield* openCells({
    partition,
    mono: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
    holdsLease: () => true
  }).pipe(Effect.provideService(Agents, agents))

  const begun: Array<string> = []
  const back: Array<string> = []
  const message = (name: string, address = "cart/a", passivateMs = 60_000): Waiting => ({
    entry: name,
    address,
    passivateMs,
    begin: () => begun.push(name),
    handBack: () => back.push(name)
  })
  /** They are claimed by one turn. */
  const claim = (...messages: ReadonlyArray<Waiting>) => {
    cells.turned(messages.map(({ address }) => [address, "1"]))
    for (const one of messages) cells.add(one)
  }
  const handled = (next: StoredAgent = letters("1")): Came => ({ kind: "handled", next })
  /** One message of an agent comes and is handled. */
  const visit = Effect.fnUntraced(function* (one: Waiting, next?: StoredAgent) {
    claim(one)
    yield* settle
    cells.ended(one, handled(next))
  })
  return {
    cells,
    begun,
    back,
    message,
    claim,
    handled,
    visit,
    reads: () => reads
  }
})

const settle = Effect.promise(async () => {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate)
})

describe("the messages of an agent", () => {
  it.effect("are begun one at a time when those that its state was read for were taken back", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* Deferred.make<StoredAgent>(), yield* Deferred.make<StoredAgent>()]
      const answers = [first, second]
      const { begun, cells, claim, message } = yield* cellsOver(() =>
        Deferred.await(answers.shift() ?? second)
      )
      const stopped = message("stopped")
      claim(stopped)
      yield* settle
      cells.leave(stopped)
      claim(message("one"), message("two"))
      yield* settle

      yield* Deferred.succeed(first, letters("1"))
      yield* settle
      yield* Deferred.succeed(second, letters("1"))
      yield* settle

      expect(begun).toEqual(["one"])
    })
  )

  it.effect("go back behind one whose act was refused, which is to be handled again before them", () =>
    Effect.gen(function* () {
      const { back, begun, cells, claim, handled, message } = yield* cellsOver()
      const [first, second, third] = ["first", "second", "third"].map((name) => message(name))
      claim(first!, second!, third!)
      yield* settle
      cells.ended(first!, handled())

      cells.refused("cart/a")
      cells.ended(second!, handled())
      yield* settle

      expect(begun).toEqual(["first", "second"])
      expect(back).toEqual(["third"])
    })
  )
})

describe("a state that a worker has at hand", () => {
  it.effect("goes when its agent was idle for long enough, whoever came to rest before it", () =>
    Effect.gen(function* () {
      const { cells, message, visit } = yield* cellsOver()
      yield* visit(message("day", "calendar/a", 86_400_000))
      yield* visit(message("second", "cart/a", 1_000))
      expect(cells.size()).toBe(2)

      yield* TestClock.adjust("2 seconds")
      yield* settle

      expect(cells.size()).toBe(1)
    })
  )

  it.effect("goes when all of them are too large, those that were idle longest first", () =>
    Effect.gen(function* () {
      const { cells, message, reads, visit } = yield* cellsOver()
      const third = letters("1".repeat(Math.ceil(keptCharactersMax / 3)))
      for (const key of ["a", "b", "c", "d"]) yield* visit(message(key, `cart/${key}`), third)
      expect(cells.size()).toBe(2)
      const before = reads()

      yield* visit(message("again", "cart/d"), third)
      expect(reads()).toBe(before)
      yield* visit(message("again", "cart/a"), third)
      expect(reads()).toBe(before + 1)
    })
  )
})
