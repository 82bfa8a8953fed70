/**
 * The children of one run: submitted once for all runs of its task, and waited for without holding a worker.
 *
 * A child's id is remembered before the child is stored. So whenever the run dies, the next one finds the id, and the
 * task under it or none; then it stores that one. All numbers of a call are taken at the call, however long it takes.
 */
import { Effect } from "effect"
import type { Fault } from "../../runtime/check.ts"
import {
  type AllOptions,
  type AttemptOver,
  type Child,
  ChildFailed,
  type ChildOutcome,
  ChildRefused,
  isTaskDefinition,
  type StepError,
  type TaskDefinition
} from "../../runtime/handler.ts"
import { type ChildOptions, type Named, nameOf, type Submission } from "../../runtime/named.ts"
import { AskCycle } from "../../runtime/current-agent.ts"
import type { Store } from "../../runtime/store.ts"
import { agentOfBox } from "../../runtime/mailbox.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { endWith, type Tracing } from "../../runtime/telemetry/tracing.ts"
import { endedOf } from "../../runtime/view.ts"
import { attributesOf } from "../dispatch/traced.ts"
import type { Birth, Offspring, Prepared } from "../dispatch/offspring.ts"
import { type AnyLink, described, type InquiryOptions, submissionOf } from "./child-submission.ts"
import { type End, Ends } from "./ends.ts"
import type { Recall, Suspended } from "./recall.ts"

export interface FamilyOptions {
  readonly recall: Recall
  readonly store: Store["Service"]
  readonly offspring: Offspring["Service"]
  /** Takes in a definition that the run named directly. */
  readonly learn: (definition: TaskDefinition) => void
  readonly parent: TaskId
  readonly deadlineAt: number | undefined
  /** Whose the parent is, and so its children; `undefined` for the tenant `default`. */
  readonly tenant: string | undefined
  /** The box whose room the parent keeps while it waits, if it has one. */
  readonly orderedBox: string | undefined
  /** Those that wait for the parent, each after its partition and a blank. */
  readonly behind: ReadonlyArray<string>
  /** The trace that its children are part of. */
  readonly carried: Carried
  readonly tracing: Tracing
}

type SubmitFailure = StepError | ChildRefused | AskCycle | Suspended
type AllFailure = AttemptOver | StepError | ChildFailed | Suspended

/** Why the others are cancelled where a parent does not wait for them. */
const siblingFailed = "another child of its parent has failed"

/** So many of them at a time. */
const cancelsAtOnce = 50

const waysToFail: Record<NonNullable<AllOptions["onFailure"]>, true> = {
  fail: true,
  cancel: true,
  collect: true
}

export class Family {
  readonly #options: FamilyOptions
  readonly #submitted = new Set<TaskId>()
  readonly #ends: Ends

  constructor(options: FamilyOptions) {
    this.#options = options
    this.#ends = new Ends(options.recall, options.store)
  }

  submit(
    number: number,
    task: Named,
    input: unknown,
    options: InquiryOptions = {},
    as: "submitted" | "asked" = "submitted"
  ): Effect.Effect<Child, SubmitFailure> {
    const { learn, recall } = this.#options
    if (isTaskDefinition(task)) learn(task)
    const handler = nameOf(task)
    const name = `submit ${handler}`
    return recall.open(() =>
      Effect.gen({ self: this }, function* () {
        const earlier = yield* recall.at(number, name)
        const id = earlier === undefined ? undefined : (JSON.parse(earlier.value) as TaskId)
        if (id !== undefined && (yield* this.#ends.isThere(id))) return this.#own(id)
        const given = yield* Effect.fromResult(described(handler, input, options))
        return yield* this.#bear(number, name, handler, given, id, as)
      })
    )
  }

  /** Every fault of a task that a submit would be refused for; it is only prepared. */
  check(
    task: Named,
    input: unknown,
    options: ChildOptions = {}
  ): Effect.Effect<ReadonlyArray<Fault>, StepError | Suspended> {
    const { deadlineAt, learn, offspring, parent, recall, tenant } = this.#options
    if (isTaskDefinition(task)) learn(task)
    const birth: Birth = { parent, deadlineAt, id: undefined, tenant }
    return recall.open(() =>
      Effect.fromResult(described(nameOf(task), input, options)).pipe(
        Effect.flatMap((given) => offspring.prepare(given, birth)),
        Effect.match({ onSuccess: () => [], onFailure: faultsIn })
      )
    )
  }

  #own(id: TaskId): Child {
    this.#submitted.add(id)
    return { id }
  }

  #bear(
    number: number,
    name: string,
    handler: string,
    task: object,
    id: TaskId | undefined,
    as: "submitted" | "asked"
  ) {
    const { carried, tracing } = this.#options
    const span =
      tracing.on && carried.traceparent !== undefined
        ? tracing.begin(`${as === "asked" ? "ask" : "submit"} ${handler}`, {
            parent: carried,
            kind: "producer"
          })
        : undefined
    const { deadlineAt, offspring, orderedBox, parent, recall, tenant } = this.#options
    const home = orderedBox === undefined ? undefined : `${partitionOfId(parent)} ${orderedBox}`
    const behind = [...this.#options.behind, ...(home === undefined ? [] : [home])]
    const birth: Birth = { parent, deadlineAt, id, tenant, ...(behind.length === 0 ? {} : { behind }) }
    /** What would wait for its parent, or for somebody who waits for that. */
    const neverEnds = ({ box, id }: Prepared): AskCycle | ChildRefused | undefined => {
      const place = box === undefined ? undefined : `${partitionOfId(id)} ${box.name}`
      if (place === undefined) return undefined
      const asked = as === "asked" ? agentOfBox(box!.name) : undefined
      if (asked !== undefined && behind.includes(place))
        return new AskCycle({ agent: agentOfBox(orderedBox ?? "") ?? handler, asked })
      return place === home
        ? new ChildRefused({ handler, reason: "it has its parent's key, and would wait for it for ever" })
        : undefined
    }
    const refusal = (error: Error) => new ChildRefused({ handler, reason: error.message })
    const adopt = ({ id }: Prepared, anew: boolean) =>
      recall.open(() => recall.remember({ number, name, value: JSON.stringify(id) }, id, anew))
    /** However long the store is away, as all that a run remembers. */
    const store = (prepared: Prepared, anew: boolean): Effect.Effect<void, SubmitFailure> =>
      Effect.andThen(
        adopt(prepared, anew),
        offspring.store(prepared).pipe(
          Effect.catch((error) =>
            error._tag === "StoreError"
              ? // The parent may have been cancelled meanwhile: then it adopts nobody any more, and nothing is stored.
                store(prepared, false)
              : Effect.fail(refusal(error))
          )
        )
      )
    return offspring.prepare({ ...task, ...(span?.carried ?? carried) }, birth).pipe(
      Effect.mapError(refusal),
      Effect.tap((prepared) => {
        const error = neverEnds(prepared)
        return error === undefined ? Effect.void : Effect.fail(error)
      }),
      Effect.flatMap((prepared) =>
        Effect.map(store(prepared, id !== undefined), () => {
          span?.set(attributesOf(prepared.id))
          return this.#own(prepared.id)
        })
      ),
      span === undefined
        ? (effect) => effect
        : Effect.onExit((exit) => Effect.sync(() => endWith(span, exit)))
    )
  }

  all(
    children: ReadonlyArray<Child>,
    options: AllOptions = {}
  ): Effect.Effect<ReadonlyArray<unknown>, AllFailure> {
    return this.#all(children, options, this.#numberOf(options))
  }

  /** Under which the child is remembered that was seen to have failed first. */
  #numberOf({ onFailure = "fail" }: AllOptions): number | undefined {
    if (!Object.hasOwn(waysToFail, onFailure))
      throw new TypeError(`onFailure "${onFailure}" is not fail, cancel or collect`)
    return onFailure === "cancel" ? this.#options.recall.next() : undefined
  }

  #all(
    children: ReadonlyArray<Child>,
    { onFailure = "fail" }: AllOptions,
    number: number | undefined
  ): Effect.Effect<ReadonlyArray<unknown>, AllFailure> {
    const { recall } = this.#options
    const stranger = children.find(({ id }) => !this.#submitted.has(id))
    if (stranger !== undefined) {
      return Effect.die(new TypeError(`all: ${stranger.id} was not submitted by this run`))
    }
    return recall.open(() =>
      Effect.gen({ self: this }, function* () {
        const endOf = yield* this.#ends.of(children.map(({ id }) => id))
        if (number !== undefined) {
          const failed = yield* this.#firstFailed(number, children, endOf)
          if (failed !== undefined) return yield* failed
        }
        // One that is not kept any more is submitted again by the next run.
        const living = children.filter(({ id }) => typeof endOf(id) !== "string")
        if (living.length > 0)
          return yield* Effect.fail(
            recall.suspend(
              living.map(({ id }) => id),
              number !== undefined
            )
          )
        const outcomes = children.map(({ id }): ChildOutcome => endedOf(endOf(id) as string))
        if (onFailure === "collect") return outcomes
        const outputs: Array<unknown> = []
        for (const [at, outcome] of outcomes.entries()) {
          if (outcome.state !== "succeeded") {
            return yield* new ChildFailed({ child: children[at]!.id, ...outcome })
          }
          outputs.push(outcome.output)
        }
        return outputs
      })
    )
  }

  /** Remembers which child was seen to have failed first, and cancels those that live. */
  #firstFailed(number: number, children: ReadonlyArray<Child>, endOf: (id: TaskId) => End) {
    const { recall, store } = this.#options
    const name = "first failure"
    const outcomeOf = (id: TaskId) => {
      const end = endOf(id)
      const outcome = typeof end === "string" ? endedOf(end) : undefined
      return outcome === undefined || outcome.state === "succeeded" ? undefined : { child: id, ...outcome }
    }
    return Effect.gen(function* () {
      const earlier = yield* recall.at(number, name)
      // One that was tried again since has not failed.
      const said = earlier === undefined ? undefined : outcomeOf(JSON.parse(earlier.value) as TaskId)
      const failed = said ?? children.map(({ id }) => outcomeOf(id)).find((one) => one !== undefined)
      if (failed === undefined) return undefined
      if (earlier === undefined) yield* recall.remember({ number, name, value: JSON.stringify(failed.child) })
      const living = children.filter(({ id }) => endOf(id) === true)
      yield* Effect.forEach(
        living,
        ({ id }) => recall.patiently(store.cancel(partitionOfId(id), ulidOfId(id), siblingFailed)),
        { concurrency: cancelsAtOnce, discard: true }
      )
      return new ChildFailed(failed)
    })
  }

  group(
    tasks: ReadonlyArray<Submission>,
    options: AllOptions = {}
  ): Effect.Effect<ReadonlyArray<unknown>, SubmitFailure | AllFailure> {
    const { recall } = this.#options
    const submits = tasks.map(({ input, task, ...rest }) => this.submit(recall.next(), task, input, rest))
    const number = this.#numberOf(options)
    return Effect.flatMap(Effect.all(submits, { concurrency: "unbounded" }), (children) =>
      this.#all(children, options, number)
    )
  }

  chain(
    links: readonly [Submission, ...ReadonlyArray<AnyLink>]
  ): Effect.Effect<unknown, SubmitFailure | AllFailure> {
    const numbers = links.map(() => this.#options.recall.next())
    return Effect.gen({ self: this }, function* () {
      let previous: unknown
      for (const [at, link] of links.entries()) {
        previous = yield* this.#follow(numbers[at]!, link, previous)
      }
      return previous
    })
  }

  chord(tasks: ReadonlyArray<Submission>, then: AnyLink): Effect.Effect<unknown, SubmitFailure | AllFailure> {
    const group = this.group(tasks)
    const number = this.#options.recall.next()
    return Effect.flatMap(group, (results) => this.#follow(number, then, results))
  }

  /** Submits the task of a link and gives its output. */
  #follow(number: number, link: Submission | AnyLink, previous: unknown) {
    const { input, task, ...options } = submissionOf(link, previous)
    return Effect.flatMap(this.submit(number, task, input, options), (child) =>
      Effect.map(this.all([child]), ([output]) => output)
    )
  }
}

/** What a refusal names; one that names nothing is about the whole task. */
const faultsIn = (refusal: Error): ReadonlyArray<Fault> =>
  "faults" in refusal ? (refusal.faults as ReadonlyArray<Fault>) : [{ path: "", message: refusal.message }]
