/**
 * One run of a handler, from the stored record to what is to be said about it.
 *
 * It never fails: whatever the handler does becomes an ending. When its fiber is interrupted, the handler's signal
 * fires and its writes are refused from that moment on; a plain function, which cannot be stopped, is then waited
 * for no longer than `stopGrace`.
 */
import { Context, Effect, type Layer } from "effect"
import { type Failure, failureOf, failureOfCause } from "../runtime/fault.ts"
import {
  type Attempt,
  AttemptOver,
  CurrentTask,
  type EventRefused,
  Fatal,
  type LogLevel,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo
} from "../runtime/handler.ts"
import { type Entry, type Envelope, idIn, laneOfEntry, type Partition, queueOf, submittedAt, ulidOfEntry } from "../runtime/task.ts"

/** How long an interrupted plain function may take to stop before it is left to itself. */
const stopGrace = "1 second"

/** The largest output of a task, in bytes of JSON. */
export const outputBytesMax = 8 * 1024 * 1024

export type Ending =
  | { readonly kind: "output"; readonly json: string }
  | { readonly kind: "failure"; readonly failure: Failure }

/** What a run writes while it lasts. */
export interface Writes {
  readonly progress: (fraction: number, message: string | undefined) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly log: (message: string, level: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
}

/** Builds a handler's layer once per process; the context it makes is what its runs are given. */
export type Services = (
  layer: Layer.Layer<unknown, unknown, unknown>
) => Effect.Effect<Context.Context<unknown>, unknown>

/** The two contexts over one state: open until the run ends, then nothing it writes is kept. */
class Run implements TaskContext {
  readonly task: TaskInfo
  readonly attempt: number
  readonly #writes: Writes
  #abort: AbortController | undefined
  #over = false

  constructor(partition: Partition, entry: Entry, run: number, envelope: Envelope, writes: Writes) {
    const ulid = ulidOfEntry(entry)
    this.task = {
      id: idIn(partition, ulid),
      name: envelope.name,
      queue: queueOf(partition),
      priority: laneOfEntry(entry),
      ...(envelope.key === undefined ? {} : { key: envelope.key }),
      tags: envelope.tags ?? [],
      submittedAt: submittedAt(ulid)
    }
    this.attempt = run
    this.#writes = writes
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
    return Effect.suspend(() => this.#over ? Effect.fail(this.#gone()) : write(this.#writes))
  }

  // Bound, so that a handler may take them out of its context.
  readonly progress = (fraction: number, message?: string) =>
    Effect.runPromise(this.guarded((writes) => writes.progress(fraction, message)))
  readonly log = (message: string, level: LogLevel = "info") =>
    Effect.runPromise(this.guarded((writes) => writes.log(message, level)))
  readonly emit = (chunk: unknown) => Effect.runPromise(this.guarded((writes) => writes.emit(chunk)))

  asService(): CurrentTask["Service"] {
    const attempt: Attempt = this
    return {
      task: attempt.task,
      attempt: attempt.attempt,
      idempotencyKey: attempt.idempotencyKey,
      get signal() {
        return attempt.signal
      },
      progress: (fraction, message) => this.guarded((writes) => writes.progress(fraction, message)),
      log: (message, level = "info") => this.guarded((writes) => writes.log(message, level)),
      emit: (chunk) => this.guarded((writes) => writes.emit(chunk))
    }
  }
}

const plain = (run: (input: unknown, ctx: TaskContext) => unknown, input: unknown, ctx: Run) =>
  Effect.callback<unknown, unknown>((resume) => {
    let result: unknown
    try {
      result = run(input, ctx)
    } catch (thrown) {
      return resume(Effect.fail(thrown))
    }
    if (!(result instanceof Promise)) return resume(Effect.succeed(result))
    const settled = result.then(
      (output) => resume(Effect.succeed(output)),
      (thrown: unknown) => resume(Effect.fail(thrown))
    )
    return Effect.suspend(() => {
      ctx.close()
      return Effect.promise(() => settled).pipe(Effect.timeoutOption(stopGrace), Effect.asVoid)
    })
  })

const runBody = (definition: TaskDefinition, input: unknown, ctx: Run, services: Services) => {
  const { body } = definition
  if (body.kind === "plain") return plain(body.run, input, ctx)
  const run = Effect.provideService(
    Effect.suspend(() => body.run(input) as Effect.Effect<unknown, unknown, CurrentTask>),
    CurrentTask,
    ctx.asService()
  )
  return body.layer === undefined
    ? run
    : Effect.flatMap(services(body.layer), (context) => Effect.provideContext(run, context as Context.Context<never>))
}

const tooLarge = (bytes: number): Failure => ({
  fatal: true,
  error: { type: "OutputTooLarge", message: `the output is ${bytes} bytes of JSON; at most ${outputBytesMax} are kept` }
})

const outputOf = (output: unknown): Ending => {
  let json: string
  try {
    json = JSON.stringify(output) ?? "null"
  } catch (thrown) {
    return { kind: "failure", failure: failureOf(thrown) }
  }
  return json.length > outputBytesMax
    ? { kind: "failure", failure: tooLarge(json.length) }
    : { kind: "output", json }
}

/** Runs `definition` once on what an entry holds. Interrupting it ends the run without an ending. */
export const attempt = (options: {
  readonly definition: TaskDefinition
  readonly partition: Partition
  readonly entry: Entry
  readonly run: number
  readonly envelope: Envelope
  readonly writes: Writes
  readonly services: Services
}): Effect.Effect<Ending> => {
  const { definition, entry, envelope, partition, run, services, writes } = options
  const ctx = new Run(partition, entry, run, envelope, writes)
  return definition.readInput(envelope.input).pipe(
    // What was valid when it was submitted and is not any more will not become so by waiting.
    Effect.mapError((misfit) => new Fatal(misfit.message, { type: "InputInvalid" })),
    Effect.flatMap((input) => runBody(definition, input, ctx, services)),
    Effect.flatMap(definition.writeOutput),
    Effect.matchCauseEager({
      onSuccess: outputOf,
      onFailure: (cause): Ending => ({ kind: "failure", failure: failureOfCause(cause) })
    }),
    Effect.onExit(() => Effect.sync(() => ctx.close()))
  )
}
