/**
 * What one run remembers for the next runs of its task, and what earlier runs have left it: numbered in the order of
 * the run's calls, each under a name.
 *
 * While the store is away a call waits for it, as long as the run is wanted.
 */
import { Effect, Schedule, Schema } from "effect"
import { AttemptOver, StepChanged, type StepError, StepTooLarge } from "../../runtime/handler.ts"
import { type Step, StepRefused, type Steps } from "../../runtime/steps.ts"
import type { StoreError } from "../../runtime/store.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import { type Entry, idIn, type Partition, runOfEntry, TaskId, ulidOfEntry } from "../../runtime/task.ts"

/** The largest result of a step, and of all steps of a task, in characters of JSON. */
export const stepMax = 256 * 1024
export const stepsMax = 16 * 1024 * 1024

/** How many steps and children a task may have. */
export const stepCountMax = 10_000

const stepNameMax = 128

const delays = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered
)

/** Why a run has ended before its handler has. */
export type Verdict =
  | { readonly kind: "wait"; readonly children: ReadonlySet<TaskId>; readonly hasty: boolean }
  | { readonly kind: "changed"; readonly error: StepChanged }

/**
 * The run has ended to wait for its children. It goes through the handler as an error, so that what it opened is
 * closed; one that catches it has ended all the same.
 */
export class Suspended extends Error {
  override readonly name = "Suspended"

  constructor() {
    super("this run has ended to wait for its children; do not catch this, or throw it on")
  }
}

export interface RecallOptions {
  readonly steps: Steps["Service"]
  readonly partition: Partition
  readonly worker: WorkerId
  readonly entry: Entry
  /** Runs what several calls of the run wait for. */
  readonly promise: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  /** Called when the store says that the entry is not this worker's any more. */
  readonly onLost: () => void
  /** Called when a step's result is stored, for those who follow the task. */
  readonly onStored: (step: Pick<Step, "number" | "name">) => void
}

const isTaskId = Schema.is(TaskId)

const parse = (value: string): unknown => (value === "" ? undefined : JSON.parse(value))

export class Recall {
  readonly #options: RecallOptions
  #numbers = 0
  #characters = 0
  #closed = false
  #earlier: Promise<ReadonlyMap<number, Step>> | undefined
  #verdict: Verdict | undefined

  constructor(options: RecallOptions) {
    this.#options = options
  }

  /** From here on nothing is remembered. */
  close(): void {
    this.#closed = true
  }

  get verdict(): Verdict | undefined {
    return this.#verdict
  }

  /** The number of the next step. It is taken at the call, so that steps may run beside each other. */
  next(): number {
    this.#numbers += 1
    return this.#numbers - 1
  }

  /** Ends the run to wait for children; for those of all such calls, and no longer than the hastiest of them. */
  suspend(children: Iterable<TaskId>, hasty = false): Suspended {
    const before = this.#verdict
    if (before?.kind !== "changed") {
      this.#verdict = {
        kind: "wait",
        children: new Set([...(before?.children ?? []), ...children]),
        hasty: hasty || before?.hasty === true
      }
    }
    return new Suspended()
  }

  over(): AttemptOver {
    const { entry, partition } = this.#options
    return new AttemptOver({ task: idIn(partition, ulidOfEntry(entry)), attempt: runOfEntry(entry) })
  }

  /** Nothing more is done in a run that has ended. */
  open<A, E, R>(
    then: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | AttemptOver | StepChanged | Suspended, R> {
    return Effect.suspend((): Effect.Effect<A, E | AttemptOver | StepChanged | Suspended, R> => {
      if (this.#closed) return Effect.fail(this.over())
      if (this.#verdict === undefined) return then()
      return Effect.fail(this.#verdict.kind === "changed" ? this.#verdict.error : new Suspended())
    })
  }

  /** Waits for the store for as long as the run is wanted. */
  patiently<A>(effect: Effect.Effect<A, StoreError | StepRefused>): Effect.Effect<A, AttemptOver> {
    return effect.pipe(
      Effect.retry({ schedule: delays, while: (error) => !(error instanceof StepRefused) && !this.#closed }),
      Effect.mapError((error) => {
        if (error instanceof StepRefused) this.#options.onLost()
        return this.over()
      })
    )
  }

  /** What an earlier run has left under this number. Fails when it was something else. */
  at(number: number, name: string): Effect.Effect<Step | undefined, StepError> {
    // A first run has nothing to recall.
    if (runOfEntry(this.#options.entry) === 1) return Effect.undefined
    return this.together(() => (this.#earlier ??= this.#recall())).pipe(
      Effect.flatMap((earlier) => {
        const step = earlier.get(number)
        return step === undefined || step.name === name
          ? Effect.succeed(step)
          : Effect.fail(this.#changed(number, step.name, name))
      })
    )
  }

  /** The children that earlier runs have submitted, in the order of their numbers. */
  get children(): Effect.Effect<ReadonlyArray<TaskId>, AttemptOver> {
    if (runOfEntry(this.#options.entry) === 1) return Effect.succeed([])
    return Effect.map(
      this.together(() => (this.#earlier ??= this.#recall())),
      (earlier) =>
        [...earlier.values()].flatMap(({ name, value }) => {
          const id = name.startsWith("submit ") ? parse(value) : undefined
          // A step of the handler's own may be called so, too.
          return isTaskId(id) ? [id] : []
        })
    )
  }

  /** What several calls of the run wait for. */
  together<A>(wait: () => Promise<A>): Effect.Effect<A, AttemptOver> {
    return Effect.tryPromise({ try: wait, catch: () => this.over() })
  }

  /** Runs it for several calls that wait for it. */
  promised<A>(effect: Effect.Effect<A, AttemptOver>): Promise<A> {
    return this.#options.promise(effect)
  }

  async #recall(): Promise<ReadonlyMap<number, Step>> {
    const { entry, partition, promise, steps } = this.#options
    const earlier = await promise(this.patiently(steps.recall(partition, ulidOfEntry(entry))))
    for (const { value } of earlier) this.#characters += value.length
    return new Map(earlier.map((step) => [step.number, step]))
  }

  #changed(number: number, expected: string, got: string): StepChanged {
    const error = new StepChanged({ number, expected, got })
    this.#verdict = { kind: "changed", error }
    return error
  }

  /** Stores a step before it counts; with it, that the task has a child, `anew` where an earlier run had remembered it. */
  remember(step: Step, child?: TaskId, anew = false): Effect.Effect<void, StepError> {
    const { entry, partition, steps, worker } = this.#options
    const { name, number, value } = step
    const reason = this.#refusal(step)
    if (reason !== undefined)
      return Effect.fail(new StepTooLarge({ name: name.slice(0, stepNameMax), reason }))
    this.#characters += value.length
    return this.patiently(
      child === undefined
        ? steps.remember(partition, worker, entry, step)
        : steps.adopt(partition, worker, entry, { ...step, child, anew })
    ).pipe(
      Effect.flatMap((kept) =>
        kept.name === name ? Effect.void : Effect.fail(this.#changed(number, kept.name, name))
      )
    )
  }

  #refusal({ name, number, value }: Step): string | undefined {
    if (name.length === 0 || name.includes("\n")) return "its name is empty, or has a line break"
    if (number >= stepCountMax) return `a task has at most ${stepCountMax} steps and children`
    if (value.length > stepMax) {
      return `its result has ${value.length} characters of JSON; at most ${stepMax} are remembered`
    }
    return this.#characters + value.length > stepsMax
      ? `the results of a task's steps have at most ${stepsMax} characters of JSON`
      : undefined
  }

  /** Runs a part whose result is remembered, unless an earlier run has. */
  step<A, E, R>(
    number: number,
    name: string,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StepError | Suspended, R> {
    // A text that was cut may end in half of a character, which Redis does not give back as it was.
    return this.open(() => this.#once(number, name.toWellFormed(), effect))
  }

  #once<A, E, R>(number: number, name: string, effect: Effect.Effect<A, E, R>) {
    const remember = (result: A): Effect.Effect<A, StepError> => {
      let value: string
      try {
        value = JSON.stringify(result) ?? ""
      } catch (thrown) {
        return Effect.fail(new StepTooLarge({ name, reason: `its result is no JSON: ${String(thrown)}` }))
      }
      // As a later run will be given it.
      return Effect.map(this.remember({ number, name, value }), () => {
        this.#options.onStored({ number, name })
        return parse(value) as A
      })
    }
    return Effect.flatMap(this.#named(name, number), (earlier) =>
      earlier === undefined
        ? Effect.flatMap(effect, (result) => this.open(() => remember(result)))
        : Effect.succeed(parse(earlier.value) as A)
    )
  }

  #named(name: string, number: number) {
    return name.length > stepNameMax
      ? Effect.fail(
          new StepTooLarge({
            name: name.slice(0, stepNameMax),
            reason: `its name has more than ${stepNameMax} characters`
          })
        )
      : this.at(number, name)
  }
}
