/**
 * One message, handled once: from the stored record and the agent's state to its ending, and what it did.
 *
 * It never fails: whatever the handler does becomes an ending. What was set and sent counts only where the message has
 * succeeded; a timer that goes on is armed again however its message ends.
 */
import { Effect, Result } from "effect"
import type { AgentDefinition, MessageJson } from "../../runtime/agent.ts"
import type { StoredAgent } from "../../runtime/agents.ts"
import { unfinished } from "../../runtime/fault.ts"
import type { Checked, MessageSpec } from "../../runtime/handler.ts"
import type { AgentAddress } from "../../runtime/mailbox.ts"
import { carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { submittedAt, ulidOfEntry } from "../../runtime/task.ts"
import {
  actingFor,
  checked,
  concluded,
  type Ending,
  endingIn,
  type Given,
  misfitting,
  stoppable,
  unfit,
  written
} from "../work/attempt.ts"
import { Run } from "../work/context.ts"
import { askAgainMs, isPatient } from "../work/patience.ts"
import { Acting } from "./act.ts"
import { effectContext, type Handling, plainContext } from "./context.ts"
import { readState } from "./state.ts"

/** A message that is to be handled now. */
export interface Mail extends Given {
  readonly definition: AgentDefinition
  readonly address: AgentAddress
  readonly stored: StoredAgent
  /** Redis's clock, in Unix milliseconds. */
  readonly redisNow: () => number
}

/** How it ended, and what it did; what a message that failed did is to be stored with its death alone. */
export interface Handled {
  readonly ending: Ending
  readonly acting: Acting
}

const superseded: Ending = {
  kind: "cancelled",
  error: { type: "Superseded", message: "its agent has set or cancelled this timer" }
}

const unknown = ({ definition, entry }: Mail, message: string): Ending =>
  isPatient(entry)
    ? { kind: "snooze", afterMs: askAgainMs }
    : unfinished(new Error(`${definition.name} has no message "${message}"`))

const settled = (result: Checked) => (result instanceof Promise ? result : Promise.resolve(result))

const actingOf = ({ address, definition, entry, envelope, keeping, redisNow, stored }: Mail) =>
  new Acting({
    entry,
    agent: address,
    name: definition.name,
    key: envelope.key ?? "",
    tenant: envelope.tenant,
    state: definition.body.state,
    stored,
    offspring: keeping.offspring,
    carried: carriedIn(envelope),
    tracing: keeping.tracing,
    redisNow
  })

/** A timer that goes on is armed again, unless the handler has said something else of it. */
const rearmed = ({ entry, envelope }: Mail, acting: Acting): Acting => {
  const { input, message, timer } = envelope.input as MessageJson
  if (timer !== undefined) acting.fired(timer, message, input, submittedAt(ulidOfEntry(entry)))
  return acting
}

/** What a message leaves that was interrupted because its time was over. */
export const leftBehind = (mail: Mail): Effect.Effect<Acting> =>
  Effect.suspend(() => {
    const acting = rearmed(mail, actingOf(mail))
    return Effect.match(acting.prepared, { onSuccess: () => acting, onFailure: () => acting.onFailure })
  })

/** Handles a message. Interrupting it ends it without an ending. */
export const handle = (mail: Mail): Effect.Effect<Handled> =>
  Effect.suspend(() => {
    const { address, definition, entry, envelope, services, stored } = mail
    const { body } = definition
    const key = envelope.key ?? ""
    const acting = actingOf(mail)
    const run = new Run(mail)
    const { message, timer } = envelope.input as MessageJson
    const isOver = timer !== undefined && stored.timers.get(timer.name) !== ulidOfEntry(entry)
    if (isOver) return Effect.succeed({ ending: superseded, acting })

    const begin = async () => {
      const fits = await settled(definition.readInput(envelope.input))
      if (Result.isFailure(fits)) throw unfit(fits.failure)
      const state = await readState(body.state, { address, key }, stored.state)
      const handling: Handling = { run, acting, definition, address, key, state, told: [] }
      return { given: (fits.success as MessageJson).input, handling }
    }

    const plainly = async (spec: MessageSpec): Promise<Ending> => {
      try {
        const { given, handling } = await begin()
        const output = await spec.handle(given, plainContext(handling))
        // Those that it waits for itself may send more of them meanwhile.
        for (const one of handling.told) await one.unheard
        const ending = await written(spec, output)
        return concluded(run, ending)
      } catch (thrown) {
        return concluded(run, unfinished(thrown))
      }
    }

    const inEffects = (spec: MessageSpec): Effect.Effect<Ending> => {
      const handled = Effect.promise(begin).pipe(
        Effect.flatMap(
          ({ given, handling }) =>
            spec.handle(given, effectContext(handling)) as Effect.Effect<unknown, unknown>
        ),
        Effect.flatMap((output) => Effect.mapError(checked(spec.writeOutput(output)), misfitting))
      )
      return actingFor(envelope, endingIn(run.within(handled), body.layer, services, run))
    }

    /** What it does is known once what it has scheduled is prepared; if that is refused, so is the message. */
    const finish = (ending: Ending, acting: Acting): Effect.Effect<Handled> =>
      acting.prepared.pipe(
        Effect.matchEffect({
          onSuccess: () => Effect.succeed({ ending, acting }),
          onFailure: (error) =>
            ending.kind === "output"
              ? finish(unfinished(error), rearmed(mail, acting.onFailure))
              : Effect.succeed({ ending, acting: acting.onFailure })
        })
      )

    const spec = body.messages.get(message)
    const ran =
      spec === undefined
        ? Effect.succeed(unknown(mail, message))
        : spec.inEffects
          ? inEffects(spec)
          : stoppable(
              () => plainly(spec),
              () => run.close()
            )
    return Effect.flatMap(ran, (ending) =>
      finish(ending, rearmed(mail, ending.kind === "output" ? acting : acting.onFailure))
    )
  })
