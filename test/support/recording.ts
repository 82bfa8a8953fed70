/** A run's context that keeps what a handler says, for tests of handlers without a store. */
import { Effect } from "effect"
import type { Settings } from "../../runtime/config.ts"
import {
  type Checked,
  CurrentTask,
  type LogLevel,
  type TaskDefinition,
  type TaskInfo
} from "../../runtime/handler.ts"
import { TaskId } from "../../runtime/task.ts"

export interface Recording {
  readonly progress: Array<{ readonly fraction: number; readonly message?: string | undefined }>
  readonly logs: Array<{ readonly level: LogLevel; readonly message: string }>
  readonly chunks: Array<unknown>
}

/** Handlers under test have no children, or bring what stands in for them with `over`. */
const noChildren = () => Effect.die(new Error("this test has no children"))

/** A context that records; `over` replaces parts of it, as to make `emit` fail. */
export const recordingTask = (
  over: (recording: Recording) => Partial<CurrentTask["Service"]> = () => ({})
): { readonly recording: Recording; readonly task: CurrentTask["Service"] } => {
  const recording: Recording = { progress: [], logs: [], chunks: [] }
  const task: TaskInfo = {
    id: TaskId.make("default.0.01JD3QK5T8Y6M2N4P7R9S1V3WX"),
    name: "under.test",
    queue: "default",
    priority: "normal",
    tenant: "default",
    tags: [],
    submittedAt: 0
  }
  return {
    recording,
    task: {
      task,
      attempt: 1,
      idempotencyKey: task.id,
      signal: new AbortController().signal,
      progress: (fraction, message) => Effect.sync(() => void recording.progress.push({ fraction, message })),
      log: (message, level = "info") => Effect.sync(() => void recording.logs.push({ level, message })),
      emit: (chunk) => Effect.sync(() => void recording.chunks.push(chunk)),
      spent: () => Effect.void,
      step: (_, effect) => effect,
      submit: noChildren,
      all: noChildren,
      group: noChildren,
      chain: noChildren,
      chord: noChildren,
      ...over(recording)
    }
  }
}

/**
 * Runs a handler made with `defineTask.effect` as a worker would: the input through its schema, then the run, then
 * the output through its schema. What its layer asks for is left to the test.
 */
export const runHandler = <Input, Output>(
  handler: TaskDefinition<Input, Output>,
  input: Input,
  task: CurrentTask["Service"] = recordingTask().task
): Effect.Effect<Output, unknown, Settings> =>
  Effect.gen(function* () {
    const { body } = handler
    if (body.kind !== "effect")
      return yield* Effect.die("only handlers made with defineTask.effect are run here")
    const read = yield* checked(() => handler.readInput(input))
    const run = body.run(read).pipe(Effect.provideService(CurrentTask, task))
    const output = yield* body.layer === undefined ? run : Effect.provide(run, body.layer)
    return (yield* checked(() => handler.writeOutput(output))) as Output
  })

const checked = (check: () => Checked) =>
  Effect.flatMap(
    Effect.promise(async () => check()),
    Effect.fromResult
  )
