/** Steps in Redis: a hash per task, written by one script. */
import { Effect, Layer } from "effect"
import { type Step, StepRefused, Steps } from "../steps.ts"
import type { WorkerId } from "../turn.ts"
import type { Entry, Partition } from "../task.ts"
import { during, Scripted } from "./scripted.ts"

/** A step as its field holds it: its name, a line break, its value. A name has no line break. */
const textOf = ({ name, value }: Step) => `${name}\n${value}`

const stepOf = (number: number, text: string): Step => {
  const end = text.indexOf("\n")
  return { number, name: text.slice(0, end), value: text.slice(end + 1) }
}

const make = Effect.gen(function* () {
  const { call, keysOf, run } = yield* Scripted

  const recall: Steps["Service"]["recall"] = (partition, ulid) =>
    call(partition, (client) => client.hgetall(keysOf(partition).steps(ulid))).pipe(
      Effect.map((fields) =>
        Object.entries(fields)
          .map(([number, text]) => stepOf(Number(number), text))
          .sort((one, other) => one.number - other.number)
      ),
      during("Steps.recall")
    )

  const write = (
    operation: string,
    partition: Partition,
    [worker, entry]: readonly [WorkerId, Entry],
    step: Step,
    ...child: readonly [] | readonly [child: string, anew: 0 | 1]
  ) =>
    run<-1 | string>("step-remember", partition, [worker, entry, step.number, textOf(step), ...child]).pipe(
      during(operation),
      Effect.flatMap((reply) =>
        reply === -1 ? Effect.fail(new StepRefused({ entry })) : Effect.succeed(stepOf(step.number, reply))
      )
    )

  return Steps.of({
    recall,
    known: (partition, ulids) =>
      call(partition, async (client) => {
        const { steps } = keysOf(partition)
        const there = await Promise.all(ulids.map((ulid) => client.exists(steps(ulid))))
        return ulids.filter((_, at) => there[at] === 1)
      }).pipe(during("Steps.known")),
    remember: (partition, worker, entry, step) => write("Steps.remember", partition, [worker, entry], step),
    adopt: (partition, worker, entry, { anew, child, ...step }) =>
      write("Steps.adopt", partition, [worker, entry], step, child, anew === true ? 1 : 0)
  })
})

/** Steps in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Steps, make)
