/**
 * Random sequences of commands, run on two stores in lockstep and compared after every command.
 *
 * A sequence follows from its seed alone. One that finds a difference is cut down to the commands that it takes, and
 * printed with both replies and with what it takes to see it again.
 */
import { Effect, type Scope } from "effect"
import type { Command, Reply } from "../support/commands.ts"
import { aSequence } from "../support/random-commands.ts"

/** One of the two stores: `stage` prepares a place for one sequence, where nothing is yet. */
export interface Side {
  readonly name: string
  readonly stage: Effect.Effect<(command: Command) => Effect.Effect<Reply>, never, Scope.Scope>
}

interface Difference {
  readonly commands: ReadonlyArray<Command>
  /** To the last of the commands. */
  readonly replies: readonly [Reply, Reply]
}

/** Runs commands on both sides until their replies differ. `next` is told the reply of the first side. */
const lockstep = (sides: readonly [Side, Side], next: (reply: Reply) => Command | undefined) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [one, other] = [yield* sides[0].stage, yield* sides[1].stage]
      const commands: Array<Command> = []
      let command = next(undefined)
      while (command !== undefined) {
        commands.push(command)
        const replies = [yield* one(command), yield* other(command)] as const
        if (!Bun.deepEquals(...replies)) return { commands, replies } satisfies Difference
        command = next(replies[0])
      }
      return undefined
    })
  )

/** The commands of one seed: some at random, then those that bring everything to its end. */
const commandsOf = (seed: number) => {
  const sequence = aSequence(seed)
  const commands = (function* (): Generator<Command, void, Reply> {
    for (let left = sequence.length; left > 0; left--) {
      const command = sequence.next()
      sequence.observe(command, yield command)
    }
    yield* sequence.last()
  })()
  return (reply: Reply) => {
    const step = commands.next(reply)
    return step.done === true ? undefined : step.value
  }
}

const replay = (sides: readonly [Side, Side], commands: ReadonlyArray<Command>) => {
  const rest = commands.values()
  return lockstep(sides, () => rest.next().value)
}

/** Leaves out commands, many at a time and then few, as long as the same command goes on telling the stores apart. */
const shrink = Effect.fnUntraced(function* (sides: readonly [Side, Side], found: Difference) {
  let smallest = found
  const last = found.commands.at(-1)!
  // What is left in the end takes all the commands that end everything.
  if (last.do === "look") return found
  for (let piece = Math.ceil(found.commands.length / 2); piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = smallest.commands.length - 1 - piece; at >= 0; at -= piece) {
      const fewer = yield* replay(sides, smallest.commands.toSpliced(at, piece))
      if (fewer?.commands.at(-1) === last) smallest = fewer
    }
  }
  return smallest
})

const report = (sides: readonly [Side, Side], seed: number, { commands, replies }: Difference) =>
  [
    `${sides[0].name} and ${sides[1].name} differ after these commands (STORE_SEED=${seed} STORE_SEQUENCES=1 makes them again):`,
    ...commands.map((command) => `  ${JSON.stringify(command)}`),
    ...sides.map(({ name }, at) => `${name}: ${JSON.stringify(replies[at])}`)
  ].join("\n")

/** How many sequences are on their way at once. */
const concurrency = 32

export const seedsFrom = (seed: number, count: number) => Array.from({ length: count }, (_, at) => seed + at)

/** Runs the sequences of `count` seeds from `seed` on. Dies with a report of a difference. */
export const compare = (sides: readonly [Side, Side], seed: number, count: number) =>
  Effect.forEach(
    seedsFrom(seed, count),
    Effect.fnUntraced(function* (seed) {
      const found = yield* lockstep(sides, commandsOf(seed))
      if (found !== undefined)
        return yield* Effect.die(new Error(report(sides, seed, yield* shrink(sides, found))))
    }),
    { concurrency, discard: true }
  )

/** The first of these seeds whose sequence tells the sides apart. */
export const firstDifference = Effect.fnUntraced(function* (
  sides: readonly [Side, Side],
  seeds: ReadonlyArray<number>
) {
  for (const seed of seeds) {
    if ((yield* lockstep(sides, commandsOf(seed))) !== undefined) return seed
  }
  return undefined
})
