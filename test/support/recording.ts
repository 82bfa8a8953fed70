/** A run's context that keeps what a handler says, for tests of handlers without a store. */
import { Effect, Result } from "effect"
import type { Settings } from "../../runtime/config.ts"
import {
  type Checked,
  ChildFailed,
  ChildRefused,
  CurrentTask,
  type LogLevel,
  type TaskDefinition,
  type TaskInfo
} from "../../runtime/handler.ts"
import { type Named, nameOf } from "../../runtime/named.ts"
import { TaskId } from "../../runtime/task.ts"
import { aUlid } from "./tasks.ts"

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
      check: noChildren,
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
  given: CurrentTask["Service"] = recordingTask().task,
  /** Handlers whose tasks are run at once, in place, when this one submits them. */
  children: ReadonlyArray<TaskDefinition> = []
): Effect.Effect<Output, unknown, Settings> =>
  Effect.gen(function* () {
    const task = children.length === 0 ? given : { ...given, ...(yield* inPlace(children)) }
    const { body } = handler
    if (body.kind !== "effect")
      return yield* Effect.die("only handlers made with defineTask.effect are run here")
    const read = yield* checked(() => handler.readInput(input))
    const run = body.run(read).pipe(Effect.provideService(CurrentTask, task))
    const output = yield* body.layer === undefined ? run : Effect.provide(run, body.layer)
    return (yield* checked(() => handler.writeOutput(output))) as Output
  })

/** Submits that run the child at once; what it ends with is given by `all`. */
const inPlace = Effect.fnUntraced(function* (handlers: ReadonlyArray<TaskDefinition>) {
  const context = yield* Effect.context<Settings>()
  const ends = new Map<string, Result.Result<unknown, unknown>>()
  const submit = (task: Named, input: unknown) =>
    Effect.gen(function* () {
      const handler = handlers.find(({ name }) => name === nameOf(task))
      if (handler === undefined) {
        return yield* new ChildRefused({ handler: nameOf(task), reason: "no handler has this name" })
      }
      const id = TaskId.make(`default.0.${aUlid()}`)
      ends.set(id, yield* Effect.result(runHandler(handler, input, recordingTask().task, handlers)))
      return { id }
    }).pipe(Effect.provide(context))
  const all = (
    asked: ReadonlyArray<{ readonly id: TaskId }>,
    { onFailure = "fail" }: { readonly onFailure?: "fail" | "collect" } = {}
  ) =>
    Effect.forEach(asked, ({ id }) => {
      const end = ends.get(id)!
      if (onFailure === "collect") {
        return Effect.succeed(
          Result.isSuccess(end)
            ? { state: "succeeded", output: end.success }
            : { state: "failed", error: errorOf(end.failure) }
        )
      }
      return Result.isSuccess(end)
        ? Effect.succeed(end.success)
        : Effect.fail(new ChildFailed({ child: id, state: "failed", error: errorOf(end.failure) }))
    })
  const group = (
    tasks: ReadonlyArray<{ readonly task: Named; readonly input: unknown }>,
    options?: { readonly onFailure?: "fail" | "collect" }
  ) =>
    Effect.flatMap(
      Effect.forEach(tasks, ({ input, task }) => submit(task, input)),
      (asked) => all(asked, options)
    )
  return { submit, all, group } as unknown as Pick<CurrentTask["Service"], "submit" | "all" | "group">
})

const errorOf = (failure: unknown) =>
  failure instanceof Error
    ? { type: failure.name, message: failure.message }
    : { type: "Error", message: String(failure) }

const checked = (check: () => Checked) =>
  Effect.flatMap(
    Effect.promise(async () => check()),
    Effect.fromResult
  )
