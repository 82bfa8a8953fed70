/**
 * The runs of one worker incarnation in one partition: a fiber each, from its claim to what is to be said of it.
 *
 * However a run ends, it is settled once, unless it was lost or cancelled: then it is over for us at once, and nothing
 * is said. Runs of a batch handler share a fiber, and each is settled by itself.
 */
import { Effect, Exit, Fiber, Random, type Scope } from "effect"
import { type AgentDefinition, isAgentDefinition } from "../../runtime/agent.ts"
import type { Agents } from "../../runtime/agents.ts"
import { addressOf } from "../../runtime/current-agent.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Steps } from "../../runtime/steps.ts"
import { Store } from "../../runtime/store.ts"
import type { WorkerId, Claim, Settlement } from "../../runtime/turn.ts"
import type { AgentAddress } from "../../runtime/mailbox.ts"
import { decodeRecord, readEnvelope } from "../../runtime/record.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import { type Came, type Cells, openCells, type Waiting } from "../agent/cells.ts"
import { handle, leftBehind, type Mail } from "../agent/handling.ts"
import { attempt, type Ending, type Services, type Started, startPlain } from "./attempt.ts"
import { makeBatches } from "./batches.ts"
import { Run } from "./context.ts"
import { type Emitter, openEmitter } from "./emitter.ts"
import { Looks } from "./looks.ts"
import { Offspring } from "../dispatch/offspring.ts"
import type { Keeping, RunOf } from "./run-of.ts"
import {
  acted,
  cameOf,
  endingOf,
  firstDueMono,
  isGone,
  missing,
  type Running,
  type Stop,
  unreadable
} from "./running.ts"
import { type Cool, coolOf, type Settled, waitOf } from "./settled.ts"
import { outcomeOf, settlementOf } from "./settlement.ts"
import { Tracing } from "../../runtime/telemetry/tracing.ts"
import { beginRun, endRun } from "./traced.ts"
import { RunWrites, type Writing } from "./writes.ts"

export type { Stop } from "./running.ts"
export type { Settled } from "./settled.ts"

/** How long one that is over for us, and has not ended, is waited for when all are to end. */
const leaveMax = "5 seconds"

export interface Runs {
  readonly size: () => number
  readonly has: (entry: Entry) => boolean
  readonly entries: () => ReadonlyArray<Entry>
  /** How many runs have ended, lost and cancelled ones aside. */
  readonly done: () => number
  /** What a turn said of agents, before its claims are started; and an agent's act that it refused. */
  readonly activated: Cells["turned"]
  readonly refused: (agent: AgentAddress) => void
  /** `permit` is what its limits have granted it. */
  readonly start: (claim: Claim, nowMono: number, permit?: string) => void
  /** Ends a run early. One that is lost or cancelled is forgotten at once; its fiber may take a moment to notice. */
  readonly interrupt: (entry: Entry, stop: Stop) => void
  /** Hands back what was interrupted and has not stopped: whatever it still does is refused. */
  readonly abandon: () => void
  readonly look: Looks["look"]
  readonly dueMono: Looks["dueMono"]
  readonly noteIsDue: Looks["noteIsDue"]
  readonly takeNotes: Looks["takeNotes"]
}

export interface RunsOptions {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly services: Services
  /** Our monotonic clock, and Redis's clock at a time of ours, in milliseconds. */
  readonly mono: () => number
  readonly redisNow: (mono?: number) => number
  /** Whether what was claimed is its own still. */
  readonly holdsLease: () => boolean
  readonly onSettled: (settled: Settled) => void
  readonly onChange: () => void
}

/** Opens a set of runs. What still runs when the scope closes is interrupted, and nothing is said of it. */
export const openRuns = Effect.fnUntraced(function* (
  options: RunsOptions
): Effect.fn.Return<Runs, never, Store | Steps | Agents | Offspring | Handlers | Scope.Scope> {
  const { mono, onChange, onSettled, partition, redisNow, services, worker } = options
  const handlers = yield* Handlers
  const random = yield* Random.Random
  const tracing = yield* Tracing
  const context = yield* Effect.context<never>()
  const keeping: Keeping = {
    steps: yield* Steps,
    store: yield* Store,
    offspring: yield* Offspring,
    learn: handlers.learn,
    tracing,
    promise: Effect.runPromiseWith(context)
  }
  const fork = Effect.runForkWith(context)
  const running = new Map<Entry, Running>()
  /** Those that are over for us, and have not ended yet. */
  const leaving = new Set<Fiber.Fiber<Ending>>()
  let done = 0
  const looks = new Looks({ worker, mono, running, onTimeUp: (entry) => interrupt(entry, "timeout") })
  const { dueBy } = looks

  const emitter: Emitter = yield* openEmitter({
    partition,
    worker,
    onLost: (entry) => interrupt(entry, "lost")
  })
  const writing: Writing = {
    partition,
    worker,
    emitter,
    fork,
    dueBy,
    onChange,
    onLost: (entry) => interrupt(entry, "lost")
  }
  const batches = makeBatches(fork)
  const cells = yield* openCells({ partition, mono, holdsLease: options.holdsLease })

  const interrupt = (entry: Entry, stop: Stop) => {
    const run = running.get(entry)
    if (run === undefined || run.stop !== undefined) return
    run.stop = stop
    if (isGone(stop)) {
      running.delete(entry)
      dueBy(mono())
    }
    // What is handed back waits for its handler to have stopped; nothing else has to.
    if (run.mail !== undefined && cells.leave(run.mail)) {
      if (stop === "drain") settle(run, { kind: "release", entry }, [])
    } else if (run.gathered !== undefined) batches.leave(run.gathered, stop !== "drain")
    else halt(run)
    onChange()
  }

  /** Its fiber, which a plain function gets only now. */
  const fiberOf = (run: Running) => {
    if (run.fiberless !== undefined) watch(run, fork(run.fiberless))
    return run.fiber
  }

  const watch = (run: Running, fiber: Fiber.Fiber<Ending>) => {
    run.fiberless = undefined
    run.fiber = fiber
    fiber.addObserver((exit) => conclude(run, exit))
  }

  const halt = (run: Running) => {
    const fiber = fiberOf(run)
    if (fiber === undefined) return
    fork(Fiber.interrupt(fiber))
    if (!isGone(run.stop)) return
    leaving.add(fiber)
    fiber.addObserver(() => leaving.delete(fiber))
  }

  const abandon = () => {
    for (const run of running.values()) {
      if (run.stop !== "drain") continue
      settle(run, { kind: "release", entry: run.entry }, [])
      run.stop = "lost"
    }
  }

  const settle = (run: Running, settlement: Settlement, cool: ReadonlyArray<Cool>, now = mono()) => {
    running.delete(run.entry)
    done += 1
    const runMs = Math.max(0, now - run.startedMono)
    onSettled({
      settlement,
      noted: run.notedMono > 0,
      streamed: emitter.streamed(run.entry),
      reply: settlement.kind === "end" ? run.envelope.reply : undefined,
      ring: run.ring,
      permit: run.permit,
      // A message that waits for others of its agent, or a task for others of its batch, may go back before it has begun.
      unused: settlement.kind === "release" && run.startedMono === Number.POSITIVE_INFINITY,
      used: run.used,
      cool,
      outcome: outcomeOf(settlement),
      waitMs: waitOf(run),
      runMs
    })
    if (run.trace !== undefined) endRun(run.trace, outcomeOf(settlement), settlement)
    emitter.forget(run.entry)
    onChange()
  }

  const settleEnding = (run: Running, exit: Exit.Exit<Ending>) => {
    if (isGone(run.stop)) {
      if (run.trace !== undefined) endRun(run.trace, run.stop === "cancelled" ? "cancelled" : "lost")
      emitter.forget(run.entry)
      return go(run, { kind: "nothing" })
    }
    if (run.stop === "drain") {
      settle(run, { kind: "release", entry: run.entry }, [])
      return go(run, { kind: "blocked" })
    }
    const { startedAt } = run
    const ending = endingOf(run, exit)
    const now = mono()
    const at = { worker, startedAt, finishedAt: redisNow(now), random: random.nextDoubleUnsafe() }
    const settlement = acted(run, settlementOf(run, ending, at))
    settle(run, settlement, coolOf(run.limits, ending, run.ring), now)
    go(run, cameOf(run, settlement))
  }

  /** Lets the next message of an agent be handled. */
  const go = ({ mail }: Running, came: Came) => {
    if (mail !== undefined) cells.ended(mail, came)
  }

  /** What a run wrote without waiting is stored first: afterwards the entry is no longer held. */
  const conclude = (run: Running, exit: Exit.Exit<Ending>) => {
    const flushed = emitter.flushed(run.entry)
    if (flushed === undefined) settleEnding(run, exit)
    else fork(Effect.map(flushed, () => settleEnding(run, exit)))
  }

  const gather = (
    run: Running,
    of: RunOf,
    body: Extract<TaskDefinition["body"], { readonly kind: "batch" }>
  ) => {
    run.startedMono = Number.POSITIVE_INFINITY
    run.gathered = {
      ctx: new Run(of),
      input: run.envelope.input,
      onStart: () => {
        run.startedMono = mono()
        run.startedAt = redisNow(run.startedMono)
        dueBy(firstDueMono(run))
      },
      onEnd: (exit) => conclude(run, exit)
    }
    batches.add(of.definition, body, run.gathered)
  }

  /** An agent's message waits for those before it; its time begins with its turn. */
  const post = (
    run: Running,
    definition: AgentDefinition,
    of: Omit<Mail, "definition" | "address" | "stored" | "redisNow">
  ) => {
    const { body, name } = definition
    const { entry } = run
    run.startedMono = Number.POSITIVE_INFINITY
    const mail: Waiting = {
      entry,
      address: addressOf(name, run.envelope.key ?? "", run.envelope.tenant),
      passivateMs: body.passivateMs,
      begin: (stored) => {
        run.startedMono = mono()
        run.startedAt = redisNow(run.startedMono)
        dueBy(firstDueMono(run))
        const given = { ...of, definition, address: mail.address, stored, redisNow }
        const left = Effect.map(leftBehind(given), (acting) => {
          run.acting = acting
        })
        launch(
          run,
          Effect.map(handle(given), ({ acting, ending }) => {
            run.acting = acting
            return ending
          }).pipe(Effect.onInterrupt(() => (run.stop === "timeout" ? left : Effect.void)))
        )
      },
      handBack: () => settle(run, { kind: "release", entry }, [])
    }
    run.mail = mail
    cells.add(mail)
  }

  const launch = (run: Running, effect: Effect.Effect<Ending>) => {
    watch(run, fork(effect))
    // What it did before its first pause may have led to its own end.
    if (run.stop !== undefined) halt(run)
  }

  /** A plain function as a promise: most are over before a fiber would have paid off. */
  const launchPlain = (run: Running, { ended, interruptible }: Started) => {
    run.fiberless = interruptible
    if (run.stop !== undefined) return halt(run)
    void ended.then((ending) => {
      if (run.fiber !== undefined) return
      run.fiberless = undefined
      conclude(run, Exit.succeed(ending))
    })
  }

  const start: Runs["start"] = ({ entry, record, ring }, now, permit) => {
    const { header, json } = decodeRecord(record)
    const envelope = readEnvelope(json)
    const definition = handlers.find(envelope.name)
    const run: Running = {
      entry,
      header,
      json,
      envelope,
      retry: definition?.retry,
      backoff: definition?.backoff,
      limits: definition?.limits ?? [],
      timeoutMs: envelope.timeoutMs ?? definition?.timeoutMs,
      ring,
      permit,
      startedAt: redisNow(now),
      startedMono: now,
      fiber: undefined,
      fiberless: undefined,
      gathered: undefined,
      mail: undefined,
      acting: undefined,
      stop: undefined,
      used: undefined,
      progress: undefined,
      trace: undefined,
      notedMono: 0,
      noteDue: false
    }
    running.set(entry, run)
    dueBy(firstDueMono(run))
    if (envelope.sealed !== undefined) return launch(run, Effect.succeed(unreadable))
    if (definition === undefined) return launch(run, Effect.succeed(missing(envelope.name, run.entry)))
    const writes = new RunWrites(run, writing)
    const plain = { definition, partition, worker, entry, envelope, ring, writes, keeping, services }
    const of = tracing.on ? tracedOf(run, plain) : plain
    if (isAgentDefinition(definition)) post(run, definition, of)
    else if (definition.body.kind === "batch") gather(run, of, definition.body)
    else {
      const started = startPlain(of)
      if (started === undefined) launch(run, attempt(of))
      else launchPlain(run, started)
    }
  }

  /** The run as a span, which what it does carries on from. */
  const tracedOf = <Of extends RunOf>(run: Running, of: Of): Of => {
    const { entry, envelope } = run
    run.trace = beginRun(tracing, { partition, worker, entry, envelope, waitMs: waitOf(run) })
    return { ...of, trace: run.trace, envelope: { ...envelope, ...run.trace.carried } }
  }

  // However it ends, nothing it started outlives it.
  yield* Effect.addFinalizer(() => {
    for (const run of running.values()) run.stop ??= "lost"
    const fibers = [...running.values()].flatMap((run) => fiberOf(run) ?? [])
    // Who lost its lease is not kept from going on by one that does not stop.
    const left = Effect.timeoutOption(Effect.interruptible(Fiber.interruptAll(leaving)), leaveMax)
    return Effect.all([Fiber.interruptAll(fibers), left, batches.close], {
      concurrency: "unbounded",
      discard: true
    })
  })

  return {
    size: () => running.size,
    has: (entry) => running.has(entry),
    entries: () => [...running.keys()],
    done: () => done,
    activated: cells.turned,
    refused: cells.refused,
    start,
    interrupt,
    abandon,
    look: looks.look,
    dueMono: looks.dueMono,
    noteIsDue: looks.noteIsDue,
    takeNotes: looks.takeNotes
  }
})
