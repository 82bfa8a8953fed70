/**
 * What one message does to its agent: the state it sets, and the messages and timers it sends. It is gathered here while
 * the message is handled, and stored with the message's end, or not at all.
 */
import { type Duration, Effect } from "effect"
import type { MessageJson } from "../../runtime/agent.ts"
import type { StoredAgent } from "../../runtime/agents.ts"
import { ActRefused, type ScheduleOptions } from "../../runtime/current-agent.ts"
import { millisOf, written } from "../../runtime/duration.ts"
import { ChildRefused, type StateSpec } from "../../runtime/handler.ts"
import type { AgentAddress, NewTask } from "../../runtime/mailbox.ts"
import type { Act, TimerChange } from "../../runtime/turn.ts"
import { type Entry, partitionOfId, ulidOfEntry } from "../../runtime/task.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { endWith, type Tracing } from "../../runtime/telemetry/tracing.ts"
import { aheadMaxMs } from "../dispatch/new-task.ts"
import type { Offspring, Prepared } from "../dispatch/offspring.ts"
import { writeState } from "./state.ts"

/** How many messages one message sends at most, and how many characters of JSON they have: they are stored in one step. */
export const sentMax = 1_000
export const sentCharactersMax = 8 * 1024 * 1024

/** How many timers an agent has at most: each message that is handled may have to read them all. */
export const timersMax = 1_000

/** The shortest interval of a timer that goes on and on. */
const everyMinMs = 10

const timerName = /^[^\p{Cc}\p{Cs}]{1,128}$/u

export interface ActOptions {
  readonly entry: Entry
  readonly agent: AgentAddress
  readonly name: string
  readonly key: string
  /** Whose the agent is, and so what it sends. */
  readonly tenant: string | undefined
  readonly state: StateSpec
  /** What the message is handled with. */
  readonly stored: StoredAgent
  readonly offspring: Offspring["Service"]
  /** The trace that what it sends is part of. */
  readonly carried: Carried
  readonly tracing: Tracing
  /** Redis's clock, in Unix milliseconds. */
  readonly redisNow: () => number
}

/** A message that is to be sent. */
interface Outgoing {
  readonly name: string
  readonly key: string
  readonly input: MessageJson
  readonly dueAt?: number
}

const newTask = (
  { box, deadlineAt, entry, expiresAt, record }: Prepared,
  dueAt: number | undefined
): NewTask => ({
  entry,
  record,
  ...(dueAt === undefined ? {} : { due: { at: dueAt } }),
  ...(box === undefined ? {} : { box }),
  ...(expiresAt === undefined ? {} : { expiresAt }),
  ...(deadlineAt === undefined ? {} : { deadlineAt })
})

export class Acting {
  readonly #of: ActOptions
  #state: { readonly value: unknown; readonly written: NonNullable<Act["state"]> } | undefined
  readonly #timers = new Map<string, TimerChange>()
  /** Names of timers that this message sets, and how many more there are with what it has said so far. */
  readonly #armed = new Set<string>()
  #more = 0
  readonly #sent: Array<Act["sent"][number]> = []
  #characters = 0
  /** What was scheduled, to be prepared when the handler has ended. */
  #scheduled: Array<Effect.Effect<void, ChildRefused | ActRefused>> = []

  constructor(of: ActOptions) {
    this.#of = of
  }

  /** The state that was set last, if one was. */
  get state(): { readonly value: unknown } | undefined {
    return this.#state
  }

  setState(value: unknown): void {
    const { agent, state } = this.#of
    this.#state = { value, written: writeState(state, agent, value) }
  }

  #refuse(reason: string) {
    return new ActRefused({ agent: this.#of.agent, reason })
  }

  /** When it is so much later, on Redis's clock. Throws `ActRefused`. */
  #after(what: string, duration: Duration.Input): number {
    const ms = millisOf(duration)
    if (ms === undefined || !(ms >= 0) || !Number.isFinite(ms)) {
      throw this.#refuse(`${what} ${written(duration)} is no duration from 0`)
    }
    if (ms > aheadMaxMs) throw this.#refuse(`${what} ${written(duration)} is more than ten years`)
    return Math.ceil(this.#of.redisNow() + ms)
  }

  #send({ dueAt, input, key, name }: Outgoing): Effect.Effect<Prepared, ChildRefused | ActRefused> {
    if (this.#sent.length >= sentMax)
      return Effect.fail(this.#refuse(`it sends more than ${sentMax} messages`))
    const birth = { parent: undefined, deadlineAt: undefined, id: undefined, tenant: this.#of.tenant }
    const { carried, offspring, tracing } = this.#of
    const span =
      tracing.on && carried.traceparent !== undefined
        ? tracing.begin(`tell ${name}`, { parent: carried, kind: "producer" })
        : undefined
    return offspring.prepare({ name, input, key, ...(span?.carried ?? carried) }, birth).pipe(
      span === undefined
        ? (effect) => effect
        : Effect.onExit((exit) => Effect.sync(() => endWith(span, exit))),
      Effect.mapError((error: Error) => new ChildRefused({ handler: name, reason: error.message })),
      Effect.tap((prepared) => this.#take(prepared, dueAt))
    )
  }

  #take(prepared: Prepared, dueAt: number | undefined): Effect.Effect<void, ActRefused> {
    const characters = this.#characters + prepared.record.length
    if (characters > sentCharactersMax)
      return Effect.fail(
        this.#refuse(`what it sends has more than ${sentCharactersMax} characters of JSON altogether`)
      )
    this.#characters = characters
    this.#sent.push({
      kind: "submit",
      partition: partitionOfId(prepared.id),
      task: newTask(prepared, dueAt)
    })
    return Effect.void
  }

  tell(
    name: string,
    key: string,
    message: string,
    input: unknown,
    delay: Duration.Input | undefined
  ): Effect.Effect<void, ChildRefused | ActRefused> {
    return Effect.suspend(() => {
      const dueAt = delay === undefined ? undefined : this.#after("delay", delay)
      const outgoing = { name, key, input: { message, input }, ...(dueAt === undefined ? {} : { dueAt }) }
      return Effect.asVoid(this.#send(outgoing))
    })
  }

  /** Sends the agent itself a message later; gives the name of the timer. Throws `ActRefused`. */
  schedule(message: string, input: unknown, options: ScheduleOptions): string {
    const { every, name = `#${crypto.randomUUID()}` } = options
    if (!timerName.test(name)) {
      throw this.#refuse("schedule: a timer's name has 1 to 128 characters, none of them a control character")
    }
    // Whoever gave neither is told so.
    const dueAt = this.#after(every === undefined ? "delay" : "every", every ?? options.delay ?? Number.NaN)
    const everyMs = every === undefined ? undefined : (millisOf(every) ?? 0)
    if (every !== undefined && everyMs! < everyMinMs) {
      throw this.#refuse(`schedule: every ${written(every)} is less than ${everyMinMs} ms`)
    }
    if (!this.#has(name)) {
      if (this.#of.stored.timers.size + this.#more >= timersMax) {
        throw this.#refuse(`schedule: it has ${timersMax} timers already`)
      }
      this.#more += 1
    }
    this.#arm(name, message, input, dueAt, everyMs)
    return name
  }

  unschedule(name: string): void {
    if (this.#has(name)) this.#more -= 1
    this.#armed.delete(name)
    this.#timers.set(name, { kind: "clear", name })
  }

  /** Whether there is such a timer, with what the message has said so far. */
  #has(name: string): boolean {
    return this.#timers.has(name) ? this.#armed.has(name) : this.#of.stored.timers.has(name)
  }

  #arm(name: string, message: string, input: unknown, dueAt: number, everyMs: number | undefined) {
    const { key, name: agent } = this.#of
    const timer = { name, ...(everyMs === undefined ? {} : { everyMs: Math.ceil(everyMs), dueAt }) }
    // Until it is prepared it has no id; what is said of the name later counts.
    const change = { kind: "clear", name } as const
    this.#armed.add(name)
    this.#timers.set(name, change)
    this.#scheduled.push(
      Effect.suspend(() =>
        this.#timers.get(name) === change
          ? Effect.map(
              this.#send({ name: agent, key, input: { message, input, timer }, dueAt }),
              ({ entry }) => {
                this.#timers.set(name, { kind: "set", name, ulid: ulidOfEntry(entry) })
              }
            )
          : Effect.void
      )
    )
  }

  /**
   * This was the message of a timer, which was sent at a time: one that goes on is armed again, unless its handler has said
   * something else.
   */
  fired(timer: NonNullable<MessageJson["timer"]>, message: string, input: unknown, sentAt: number): void {
    const { everyMs, name } = timer
    // Those that were sent before they said so themselves count from when they were sent.
    const { dueAt = sentAt } = timer
    if (this.#timers.has(name)) return
    if (everyMs === undefined) {
      this.#timers.set(name, { kind: "fired", name })
      return
    }
    const late = Math.max(0, this.#of.redisNow() - dueAt)
    this.#arm(name, message, input, dueAt + everyMs * (Math.floor(late / everyMs) + 1), everyMs)
  }

  /** Prepares what was scheduled. */
  get prepared(): Effect.Effect<void, ChildRefused | ActRefused> {
    const scheduled = this.#scheduled
    this.#scheduled = []
    return Effect.forEach(scheduled, (one) => one, { discard: true })
  }

  /** Forgets all but timers that were armed again: what a message that failed leaves. */
  get onFailure(): Acting {
    return new Acting(this.#of)
  }

  get act(): Act {
    const { agent, stored } = this.#of
    return {
      agent,
      base: stored.revision,
      state: this.#state?.written,
      timers: [...this.#timers.values()],
      sent: this.#sent
    }
  }

  /** What the agent's next message is handled with, once this one is stored. */
  get next(): StoredAgent {
    const { entry, stored } = this.#of
    const timers = new Map(stored.timers)
    for (const change of this.#timers.values()) {
      if (change.kind === "set") timers.set(change.name, change.ulid)
      else if (change.kind === "clear" || timers.get(change.name) === ulidOfEntry(entry))
        timers.delete(change.name)
    }
    const changed = this.#state !== undefined || this.#timers.size > 0
    return {
      revision: changed ? entry : stored.revision,
      state: this.#state?.written ?? stored.state,
      timers
    }
  }
}
