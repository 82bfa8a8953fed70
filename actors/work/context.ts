/**
 * The two contexts of a run over one state: open until the run ends, then nothing it writes is kept.
 *
 * What most short runs never ask for is made when it is asked for.
 */
import { Effect } from "effect"
import {
  AttemptOver,
  type BatchItem,
  type CurrentTask,
  EventRefused,
  type LogLevel,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo
} from "../../runtime/handler.ts"
import { addressOf } from "../../runtime/current-agent.ts"
import type { Named } from "../../runtime/named.ts"
import { agentBoxKey, boxKeyOf } from "../../runtime/mailbox.ts"
import type { Envelope } from "../../runtime/record.ts"
import { idIn, laneOfEntry, queueOf, runOfEntry, submittedAt, ulidOfEntry } from "../../runtime/task.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
import type { InquiryOptions } from "./child-submission.ts"
import { Family } from "./family.ts"
import { runFields } from "../../runtime/telemetry/logs.ts"
import { carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { spanning } from "../../runtime/telemetry/tracing.ts"
import { insideStep, insideStepEffect, nestedIn, outsideSteps } from "./inside-step.ts"
import { Recall, Suspended, type Verdict } from "./recall.ts"
import type { RunOf, Writes } from "./run-of.ts"

/** Waiting for children ends an effect as a defect: no handler of errors may take it for one. */
export const defecting = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, Suspended>> =>
  effect.pipe(
    Effect.catch((error) =>
      error instanceof Suspended ? Effect.die(error) : Effect.fail(error as Exclude<E, Suspended>)
    )
  )

const levels: Readonly<Record<LogLevel, true>> = { debug: true, info: true, warn: true, error: true }

/** Whoever has no types is easily taken to say the level first, as other loggers have it. */
/** Whether a wait for children remembers something. */
const isNumbered = ([, options]: Parameters<Family["all"]>) => options?.onFailure === "cancel"

const levelRefused = (level: unknown) => {
  const said = typeof level === "string" ? `"${level.slice(0, 64)}"` : `a ${typeof level}`
  const known = Object.keys(levels).join(", ")
  return new EventRefused({
    reason: `log: the level, ${said}, is none of ${known}; it is the second argument, after the message`
  })
}

/** The box whose room a waiting run keeps, if there is one. */
const orderedBoxOf = (
  { body, keyed, name }: TaskDefinition,
  ring: string,
  { key, tenant }: Pick<Envelope, "key" | "tenant">
) => {
  if (key === undefined || !keyed.ordered) return undefined
  return `${ring}|${body.kind === "agent" ? agentBoxKey(addressOf(name, key, tenant)) : boxKeyOf(key, tenant)}`
}

export class Run implements TaskContext {
  readonly #of: RunOf
  #task: TaskInfo | undefined
  #abort: AbortController | undefined
  #over = false
  #recall: Recall | undefined
  #family: Family | undefined

  constructor(of: RunOf) {
    this.#of = of
  }

  get task(): TaskInfo {
    const { entry, envelope, partition } = this.#of
    const ulid = ulidOfEntry(entry)
    this.#task ??= {
      id: idIn(partition, ulid),
      name: envelope.name,
      queue: queueOf(partition),
      priority: laneOfEntry(entry),
      ...(envelope.key === undefined ? {} : { key: envelope.key }),
      tenant: envelope.tenant ?? tenantDefault,
      tags: envelope.tags ?? [],
      submittedAt: submittedAt(ulid)
    }
    return this.#task
  }

  get attempt(): number {
    return runOfEntry(this.#of.entry)
  }

  get idempotencyKey(): string {
    return this.task.id
  }

  get traceparent(): string | undefined {
    return this.#of.envelope.traceparent
  }

  get tracestate(): string | undefined {
    return this.#of.envelope.tracestate
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#over) this.#abort.abort(this.#gone())
    return this.#abort.signal
  }

  close(): void {
    this.#over = true
    this.#recall?.close()
    this.#abort?.abort(this.#gone())
  }

  /** Why the run has ended, whatever its handler then does. */
  get verdict(): Verdict | undefined {
    return this.#recall?.verdict
  }

  #gone(): AttemptOver {
    return new AttemptOver({ task: this.task.id, attempt: this.attempt })
  }

  /**
   * An effect as a promise. One that nobody waits for may still reject, as when the run is over first; that is no reason
   * to end the process and with it everybody else's runs.
   */
  promised<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    const promise = this.#of.keeping.promise(effect)
    promise.catch(() => {})
    return promise
  }

  get #remembered(): Recall {
    const { entry, keeping, partition, worker, writes } = this.#of
    if (this.#recall === undefined) {
      this.#recall = new Recall({
        steps: keeping.steps,
        promise: keeping.promise,
        partition,
        worker,
        entry,
        onLost: () => writes.lost(),
        onStored: (step) => writes.stepped(step)
      })
      if (this.#over) this.#recall.close()
    }
    return this.#recall
  }

  get #children(): Family {
    const { definition, envelope, keeping, ring = "" } = this.#of
    const { learn, offspring, store } = keeping
    const recall = this.#remembered
    const { behind, deadlineAt } = envelope
    const orderedBox = orderedBoxOf(definition, ring, envelope)
    this.#family ??= new Family({
      recall,
      store,
      offspring,
      learn,
      parent: this.task.id,
      deadlineAt,
      tenant: envelope.tenant,
      orderedBox,
      behind: behind ?? [],
      carried: carriedIn(envelope),
      tracing: keeping.tracing
    })
    return this.#family
  }

  /** Submits a task whose reply this run waits for, and gives it: as `submit` and `all` do, and never one that waits for this. */
  inquire(task: Named, input: unknown, options: InquiryOptions) {
    return outsideSteps(this, () =>
      Effect.flatMap(this.#children.submit(this.#remembered.next(), task, input, options, "asked"), (child) =>
        Effect.map(this.#children.all([child]), ([reply]) => reply)
      )
    )
  }

  /** What takes numbers, at the call, so that several may go on beside each other. */
  #numbered<A, E>(make: () => Effect.Effect<A, E>): Promise<A> {
    const nested = nestedIn(this)
    return nested === undefined ? this.promised(make()) : this.promised(Effect.fail(nested))
  }

  /** An effect of its handler: what it logs says whose it is, and it is part of the run's span where there is one. */
  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const logged = Effect.annotateLogs(effect, runFields(this.#of))
    const { trace } = this.#of
    return trace === undefined ? logged : trace.around(logged)
  }

  /** A part of the run that is a span of its own, where spans are recorded. */
  #spanning<A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const { envelope, keeping, trace } = this.#of
    return trace === undefined
      ? effect
      : spanning(keeping.tracing, `step ${name}`, { parent: carriedIn(envelope) }, effect)
  }

  guarded(write: (writes: Writes) => Effect.Effect<void, AttemptOver | EventRefused>) {
    return Effect.suspend(() => (this.#over ? Effect.fail(this.#gone()) : write(this.#of.writes)))
  }

  #logged(message: string, level: LogLevel = "info") {
    return this.guarded((writes) =>
      Object.hasOwn(levels, level) ? writes.log(message, level) : Effect.fail(levelRefused(level))
    )
  }

  // Made when they are asked for, since most runs ask for few, and bound, so that a handler may take them out of its
  // context.
  get progress(): TaskContext["progress"] {
    return (fraction, message) => this.promised(this.guarded((writes) => writes.progress(fraction, message)))
  }

  get log(): TaskContext["log"] {
    return (message, level) => this.promised(this.#logged(message, level))
  }

  get emit(): TaskContext["emit"] {
    return (chunk) => this.promised(this.guarded((writes) => writes.emit(chunk)))
  }

  get spent(): TaskContext["spent"] {
    return (limit, amount) => {
      const { definition, writes } = this.#of
      if (!definition.limits.some(({ name }) => name === limit)) {
        throw new TypeError(`spent: handler ${definition.name} has no limit "${limit}"`)
      }
      if (!(Number.isFinite(amount) && amount >= 0)) {
        throw new TypeError(`spent: the amount ${amount} is no number from 0`)
      }
      writes.spend(limit, amount)
    }
  }

  get step(): TaskContext["step"] {
    return (name, run) => {
      const recall = this.#remembered
      // What it throws is what the step rejects with.
      const part = Effect.promise(() => insideStep(this, name, run))
      return this.#numbered(() => recall.step(recall.next(), name, this.#spanning(name, part)))
    }
  }

  // What the methods below give and take is said by the contract; inside, everything is JSON.
  get submit(): TaskContext["submit"] {
    return (task, input, options) =>
      this.#numbered(() =>
        this.#children.submit(this.#remembered.next(), task, input, options)
      ) as Promise<never>
  }

  get check(): TaskContext["check"] {
    return (...args) => this.promised(this.#children.check(...args))
  }

  get all(): TaskContext["all"] {
    return ((...args: Parameters<Family["all"]>) =>
      isNumbered(args)
        ? this.#numbered(() => this.#children.all(...args))
        : this.promised(this.#children.all(...args))) as TaskContext["all"]
  }

  get group(): TaskContext["group"] {
    return ((...args: Parameters<Family["group"]>) =>
      this.#numbered(() => this.#children.group(...args))) as TaskContext["group"]
  }

  get chain(): TaskContext["chain"] {
    return (...args: Parameters<Family["chain"]>) => this.#numbered(() => this.#children.chain(...args))
  }

  get chord(): TaskContext["chord"] {
    return ((...args: Parameters<Family["chord"]>) =>
      this.#numbered(() => this.#children.chord(...args))) as TaskContext["chord"]
  }

  /** The same in effects, which take their numbers when they start. */
  asService(): CurrentTask["Service"] {
    const signal = () => this.signal
    const later =
      <Args extends ReadonlyArray<unknown>, A, E>(make: (...args: Args) => Effect.Effect<A, E>) =>
      (...args: Args) =>
        defecting(Effect.suspend(() => make(...args)))
    const numbered =
      <Args extends ReadonlyArray<unknown>, A, E>(make: (...args: Args) => Effect.Effect<A, E>) =>
      (...args: Args) =>
        defecting(outsideSteps(this, () => make(...args)))
    const service: Record<keyof Omit<CurrentTask["Service"], "signal">, unknown> = {
      task: this.task,
      attempt: this.attempt,
      idempotencyKey: this.idempotencyKey,
      traceparent: this.traceparent,
      tracestate: this.tracestate,
      progress: (fraction: number, message?: string) =>
        this.guarded((writes) => writes.progress(fraction, message)),
      log: (message: string, level?: LogLevel) => this.#logged(message, level),
      emit: (chunk: unknown) => this.guarded((writes) => writes.emit(chunk)),
      spent: (limit: string, amount: number) => Effect.sync(() => this.spent(limit, amount)),
      step: (name: string, effect: Effect.Effect<unknown, unknown>) =>
        numbered(() => {
          const part = insideStepEffect(this, name, effect)
          return this.#remembered.step(this.#remembered.next(), name, this.#spanning(name, part))
        })(),
      submit: numbered((...[task, input, options]: Parameters<TaskContext["submit"]>) =>
        this.#children.submit(this.#remembered.next(), task, input, options)
      ),
      check: later((...args: Parameters<Family["check"]>) => this.#children.check(...args)),
      all: (...args: Parameters<Family["all"]>) =>
        (isNumbered(args) ? numbered : later)(() => this.#children.all(...args))(),
      group: numbered((...args: Parameters<Family["group"]>) => this.#children.group(...args)),
      chain: numbered((...args: Parameters<Family["chain"]>) => this.#children.chain(...args)),
      chord: numbered((...args: Parameters<Family["chord"]>) => this.#children.chord(...args))
    }
    return Object.defineProperty(service, "signal", { get: signal, enumerable: true }) as never
  }

  /** The context of one task of a batch. */
  asItem(input: unknown): BatchItem {
    const { attempt, emit, idempotencyKey, log, progress, spent, task, traceparent, tracestate } = this
    const signal = () => this.signal
    return {
      input,
      task,
      attempt,
      idempotencyKey,
      traceparent,
      tracestate,
      get signal() {
        return signal()
      },
      progress,
      log,
      emit,
      spent
    }
  }
}
