/**
 * One run of a handler, from the stored record to what is to be said about it.
 *
 * It never fails: whatever the handler does becomes an ending. When its fiber is interrupted, the handler's signal
 * fires and its writes are refused from that moment on; a plain function, which cannot be stopped, is then waited
 * for no longer than `stopGrace`.
 */
import { type Context, Effect, type Layer, Result } from "effect"
import { type Failure, failureOf, failureOfCause } from "../runtime/fault.ts"
import {
  AttemptOver,
  type Body,
  type Checked,
  CurrentTask,
  type EventRefused,
  Fatal,
  type LogLevel,
  type Misfit,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo
} from "../runtime/handler.ts"
import {
  type Entry,
  type Envelope,
  idIn,
  laneOfEntry,
  type Partition,
  queueOf,
  runOfEntry,
  submittedAt,
  ulidOfEntry
} from "../runtime/task.ts"

/** How long an interrupted plain function may take to stop before it is left to itself. */
const stopGrace = "1 second"

/** The largest output of a task, in bytes of JSON. */
export const outputBytesMax = 8 * 1024 * 1024

export type Ending =
  | { readonly kind: "output"; readonly json: string }
  | { readonly kind: "failure"; readonly failure: Failure }

/** What a run writes while it lasts. */
export interface Writes {
  readonly progress: (
    fraction: number,
    message: string | undefined
  ) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly log: (message: string, level: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
}

/** One claimed run of a handler. */
export interface Given {
  readonly definition: TaskDefinition
  readonly partition: Partition
  readonly entry: Entry
  readonly envelope: Envelope
  readonly writes: Writes
  readonly services: Services
}

/** Builds a handler's layer once per process; the context it makes is what its runs are given. */
export type Services = (
  layer: Layer.Layer<unknown, unknown, unknown>
) => Effect.Effect<Context.Context<unknown>, unknown>

/** The two contexts over one state: open until the run ends, then nothing it writes is kept. */
class Run implements TaskContext {
  readonly #given: Given
  #task: TaskInfo | undefined
  #abort: AbortController | undefined
  #over = false

  constructor(given: Given) {
    this.#given = given
  }

  // Made when it is asked for: most short runs never look.
  get task(): TaskInfo {
    const { entry, envelope, partition } = this.#given
    const ulid = ulidOfEntry(entry)
    this.#task ??= {
      id: idIn(partition, ulid),
      name: envelope.name,
      queue: queueOf(partition),
      priority: laneOfEntry(entry),
      ...(envelope.key === undefined ? {} : { key: envelope.key }),
      tags: envelope.tags ?? [],
      submittedAt: submittedAt(ulid)
    }
    return this.#task
  }

  get attempt(): number {
    return runOfEntry(this.#given.entry)
  }

  get idempotencyKey(): string {
    return this.task.id
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#over) this.#abort.abort(this.#gone())
    return this.#abort.signal
  }

  close(): void {
    this.#over = true
    this.#abort?.abort(this.#gone())
  }

  #gone(): AttemptOver {
    return new AttemptOver({ task: this.task.id, attempt: this.attempt })
  }

  guarded(write: (writes: Writes) => Effect.Effect<void, AttemptOver | EventRefused>) {
    return Effect.suspend(() => (this.#over ? Effect.fail(this.#gone()) : write(this.#given.writes)))
  }

  // Bound, so that a handler may take them out of its context.
  readonly progress = (fraction: number, message?: string) =>
    Effect.runPromise(this.guarded((writes) => writes.progress(fraction, message)))
  readonly log = (message: string, level: LogLevel = "info") =>
    Effect.runPromise(this.guarded((writes) => writes.log(message, level)))
  readonly emit = (chunk: unknown) => Effect.runPromise(this.guarded((writes) => writes.emit(chunk)))

  asService(): CurrentTask["Service"] {
    const signal = () => this.signal
    return {
      task: this.task,
      attempt: this.attempt,
      idempotencyKey: this.idempotencyKey,
      get signal() {
        return signal()
      },
      progress: (fraction, message) => this.guarded((writes) => writes.progress(fraction, message)),
      log: (message, level = "info") => this.guarded((writes) => writes.log(message, level)),
      emit: (chunk) => this.guarded((writes) => writes.emit(chunk))
    }
  }
}

/** A plain function, as one promise: no effect is made for its parts, since most runs are short. */
const runPlain = async (
  definition: TaskDefinition,
  run: (input: unknown, ctx: TaskContext) => unknown,
  given: unknown,
  ctx: Run
): Promise<Ending> => {
  try {
    const checked = definition.readInput(given)
    const input = checked instanceof Promise ? await checked : checked
    if (Result.isFailure(input)) return failed(unfit(input.failure))
    const written = definition.writeOutput(await run(input.success, ctx))
    const output = written instanceof Promise ? await written : written
    return Result.isFailure(output) ? failed(output.failure) : outputOf(output.success)
  } catch (thrown) {
    return failed(thrown)
  }
}

const plain = (
  definition: TaskDefinition,
  run: (input: unknown, ctx: TaskContext) => unknown,
  input: unknown,
  ctx: Run
) =>
  Effect.callback<Ending>((resume) => {
    const ending = runPlain(definition, run, input, ctx).then((ending) => {
      ctx.close()
      resume(Effect.succeed(ending))
    })
    return Effect.suspend(() => {
      ctx.close()
      // A cleanup is not interruptible by itself, and so would not heed its own time limit.
      return Effect.interruptible(Effect.promise(() => ending)).pipe(
        Effect.timeoutOption(stopGrace),
        Effect.asVoid
      )
    })
  })

const checked = (result: Checked) =>
  result instanceof Promise
    ? Effect.flatMap(
        Effect.promise(() => result),
        Effect.fromResult
      )
    : Effect.fromResult(result)

const effectful = (
  definition: TaskDefinition,
  body: Extract<Body, { readonly kind: "effect" }>,
  given: unknown,
  ctx: Run,
  services: Services
): Effect.Effect<Ending> => {
  const run = Effect.suspend(() => checked(definition.readInput(given))).pipe(
    Effect.mapError(unfit),
    Effect.flatMap((input) => body.run(input) as Effect.Effect<unknown, unknown, CurrentTask>),
    Effect.flatMap((output) => checked(definition.writeOutput(output))),
    Effect.provideService(CurrentTask, ctx.asService())
  )
  const served =
    body.layer === undefined
      ? run
      : Effect.flatMap(services(body.layer), (context) =>
          Effect.provideContext(run, context as Context.Context<never>)
        )
  return served.pipe(
    Effect.matchCauseEager({
      onSuccess: outputOf,
      onFailure: (cause): Ending => ({ kind: "failure", failure: failureOfCause(cause) })
    }),
    Effect.onExit(() => Effect.sync(() => ctx.close()))
  )
}

/** What was valid when it was submitted and is not any more will not become so by waiting. */
const unfit = (misfit: Misfit) => new Fatal(misfit.message, { type: "InputInvalid" })

const failed = (thrown: unknown): Ending => ({ kind: "failure", failure: failureOf(thrown) })

const tooLarge = (bytes: number): Failure => ({
  fatal: true,
  error: {
    type: "OutputTooLarge",
    message: `the output is ${bytes} bytes of JSON; at most ${outputBytesMax} are kept`
  }
})

const outputOf = (output: unknown): Ending => {
  let json: string
  try {
    json = JSON.stringify(output) ?? "null"
  } catch (thrown) {
    return failed(thrown)
  }
  return json.length > outputBytesMax
    ? { kind: "failure", failure: tooLarge(json.length) }
    : { kind: "output", json }
}

/** Runs a handler once on what an entry holds. Interrupting it ends the run without an ending. */
export const attempt = (given: Given): Effect.Effect<Ending> => {
  const { definition, envelope, services } = given
  const ctx = new Run(given)
  const { body } = definition
  return body.kind === "plain"
    ? plain(definition, body.run, envelope.input, ctx)
    : effectful(definition, body, envelope.input, ctx, services)
}
