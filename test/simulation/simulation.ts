/**
 * A whole system in a world that a seed decides: several workers and clients on one store, what befalls them, and what it
 * breaks of what was promised.
 *
 * In safety mode what died is started again, and all that was acknowledged has to end well, and only once. In liveness
 * mode nobody starts anything when the faults are over: what is left of the system has to take up its work within the
 * lease and two seconds, and end all of it.
 */
import { Context, Duration, Effect, type Exit, Layer } from "effect"
import * as Janitor from "../../actors/janitor.ts"
import { Agents } from "../../runtime/agents.ts"
import { Settings } from "../../runtime/config.ts"
import { agentBoxKey } from "../../runtime/mailbox.ts"
import { Operations } from "../../runtime/operations.ts"
import { Schedules } from "../../runtime/schedules.ts"
import { Steps } from "../../runtime/steps.ts"
import { Store } from "../../runtime/store.ts"
import { violationsIn } from "../support/history-check.ts"
import type { HistoryEvent, Violation } from "../support/history.ts"
import { partitionOf } from "../../runtime/task.ts"
import { leftIn, livingIn, lookAt } from "./look.ts"
import {
  failureOf,
  type Member,
  startClient,
  startWorker,
  type Surroundings,
  type WorkerMember
} from "./members.ts"
import { fine, Network } from "./network.ts"
import type { Blow, Plan } from "./plan.ts"
import { Process } from "./process.ts"
import { scriptOf } from "./script.ts"
import { sealed } from "./sealed.ts"
import { Server, type Stored } from "./server.ts"
import { queues, workloadOf } from "./workload.ts"
import { startMs, World } from "./world.ts"

const leaseMs = 2_000

const settings = Effect.runSync(
  Settings.layer(
    {
      lease: Duration.millis(leaseMs),
      drain: Duration.seconds(1),
      log: "None",
      queues: Object.entries(queues).map(([queue, concurrency]) => ({ queue, concurrency }))
    },
    {}
  ).pipe(
    Layer.build,
    Effect.scoped,
    Effect.map((context) => Context.get(context, Settings))
  )
)

/** When all of it has ended at the latest after the faults, in milliseconds: what waits for a time included. */
const endsWithinMs = 90_000

/** When all that is past its retention is gone at the latest, in milliseconds. */
const sweptWithinMs = 15_000

/** How often somebody looks for agents in quarantine, in milliseconds. */
const operatorEveryMs = 1_000

/** Of how many seeds one waits for the janitor. */
const janitorEvery = 10

/** More steps than any simulation takes: one that takes them goes round in circles. */
const stepsMax = 2_000_000

/** How much later what was given up is said again at the latest, in milliseconds. */
const saidAgainWithinMs = 2_500

/** How soon a node puts another process in the place of one that has died, in milliseconds. */
const restartMs = 300

export interface Outcome {
  readonly plan: Plan
  readonly violations: ReadonlyArray<Violation>
  /** The same for the same plan. */
  readonly hash: string
  readonly trace: ReadonlyArray<string>
  readonly steps: number
  readonly history: ReadonlyArray<HistoryEvent>
  /** How long it took on its own clock, in milliseconds. */
  readonly simulatedMs: number
}

export interface Options {
  /** Whether all that happens is written down, to be read. */
  readonly traces?: boolean
  /** Breaks something in the store. */
  readonly plant?: (stored: Stored) => void
}

/** Everything of one simulation. */
class Simulation {
  readonly world: World
  readonly history: Array<HistoryEvent> = []
  readonly failures: Array<Violation> = []
  readonly workers: Array<WorkerMember> = []
  readonly clients: Array<Member> = []
  readonly network: Network
  readonly server: Server
  readonly around: Surroundings
  readonly workload
  readonly #plan: Plan
  #processes = 0
  /** Whether what dies is started again. */
  restarts = true
  #isHealed = false
  /** Who was told to stop. */
  readonly #stopped = new Set<Process>()
  /** The clients that have not been told all they asked for, and live or will be started again. */
  readonly #asking = new Set<number>()

  constructor(plan: Plan, { plant, traces = false }: Options) {
    this.#plan = plan
    this.world = new World(plan.seed, traces)
    this.network = new Network(this.world, {
      blow: (process, op) => this.note({ op, process: process.name }),
      kill: (process) => this.kill(process),
      late: () => {
        if (this.#isHealed) this.heal("late call")
      }
    })
    this.server = new Server(this.#process("redis"), this.network, settings)
    plant?.(this.server.stored)
    this.workload = workloadOf(
      (event) => this.note(event),
      () => this.world.current?.name ?? "nobody"
    )
    this.around = { server: this.server, settings, handlers: this.workload.all }
  }

  note(event: HistoryEvent): void {
    this.history.push({ ...event, ns: Math.round((this.world.now - startMs + 1_000) * 1e6) })
    this.world.say(JSON.stringify(event))
  }

  /** Whose step is being taken; what belongs to nobody is the server's. */
  me(): Process {
    return (this.world.current as Process | undefined) ?? this.server.process
  }

  #process(name: string): Process {
    this.#processes += 1
    return new Process(this.world, name, 1_000 + this.#processes)
  }

  startWorker(at: number): void {
    const process = this.#process(`w${at + 1}.${this.#processes}`)
    this.world.say(`${process.name} starts`)
    this.world.as(process, () => {
      this.workers[at] = startWorker(this.around, process, (exit) => this.#ended(process, exit))
    })
  }

  startClient(at: number): void {
    const process = this.#process(`c${at + 1}.${this.#processes}`)
    const script = scriptOf(
      { me: process.name, note: (event) => this.note(event), workload: this.workload },
      this.#plan.wishes[at] ?? []
    )
    this.world.say(`${process.name} starts`)
    this.world.as(process, () => {
      this.#asking.add(at)
      const asked = (troupe: Parameters<typeof script>[0]) =>
        script(troupe).pipe(
          Effect.andThen(Effect.sync(() => this.#asking.delete(at))),
          Effect.andThen(Effect.never)
        )
      this.clients[at] = startClient(this.around, process, asked, (exit) => this.#ended(process, exit))
    })
  }

  /** A process has come to its end by itself. */
  #ended(process: Process, exit: Exit.Exit<unknown, unknown>): void {
    const failure = failureOf(exit)
    this.world.say(`${process.name} has ended`)
    // Who cannot connect says so, and ends.
    if (failure !== undefined && !failure.startsWith("StoreError"))
      this.failures.push({ invariant: "L1", what: `${process.name} failed: ${failure}` })
    const client = this.clients.findIndex((client) => client.process === process)
    if (client >= 0) this.world.after(restartMs, () => this.startClient(client))
    this.#after(process)
  }

  kill(process: Process): void {
    if (!process.isAlive) return
    process.kill()
    this.note({ op: "killed", process: process.name })
    this.#asking.delete(this.clients.findIndex((client) => client.process === process))
    this.#after(process)
  }

  /** What a node does when one of its processes has gone. */
  #after(process: Process): void {
    const at = this.workers.findIndex((worker) => worker.process === process)
    if (at < 0) return
    const incarnation = this.workers[at]!.incarnation()
    // Its node saw it exit, or died with it.
    if (incarnation !== undefined && this.world.chance.of(0.5))
      this.world.after(this.world.random() * 50, () => {
        for (const partition of incarnation.partitions)
          this.server.now(Effect.ignore(this.server.stored.of(Store).evict(partition, incarnation.worker)))
      })
    // One that was stopped before is missed by its node, too.
    if (this.restarts || this.#stopped.has(process))
      this.world.after(restartMs * (0.5 + this.world.random()), () => this.startWorker(at))
  }

  strike({ kind, ms, which }: Blow): void {
    const { chance } = this.world
    const worker = this.workers[which % this.workers.length]!.process
    const client = this.clients[which % this.clients.length]!.process
    this.world.say(`${kind} ${which} ${ms}`)
    switch (kind) {
      case "kill worker":
        return this.kill(worker)
      case "kill client":
        return this.kill(client)
      case "stop worker":
        // What it has not ended when its time is over is handed back, which costs a run.
        this.note({ op: "cut", process: worker.name })
        this.#stopped.add(worker)
        return this.workers[which % this.workers.length]!.stop()
      case "pause worker": {
        if (!worker.isAlive || worker.isPaused) return
        worker.isPaused = true
        this.note({ op: "paused", process: worker.name })
        this.world.after(ms, () => this.world.resume(worker))
        return
      }
      case "jump":
        this.server.process.ahead += ms
        this.note({ op: "fault", phase: "begin", name: "clock" })
        // It costs nobody a run: until all have renewed their leases on it, none is judged.
        return
      case "skew":
        ;(chance.of(0.5) ? worker : client).ahead += ms
        return
      case "outage":
        this.network.isDown = true
        this.note({ op: "cut", process: "*" })
        this.world.after(ms, () => {
          this.network.isDown = false
        })
    }
  }

  /** Whether all clients that live were told all they asked for, and nothing is to come of those that died. */
  isAnswered(): boolean {
    const { givenUpAt, late } = this.network
    return late === 0 && this.#asking.size === 0 && this.world.now - givenUpAt > saidAgainWithinMs
  }

  /** Whether all that lives has ended. */
  isOver(): boolean {
    return this.server.stored.heaps
      .all()
      .every((heap) => livingIn(heap) === 0 && heap.outbox.length === 0 && heap.later.size === 0)
  }

  run(until: () => boolean, atMs: number): boolean {
    return this.world.run(until, { at: startMs + atMs, steps: stepsMax })
  }

  /** From now on nothing is broken, as far as is known. */
  heal(name: string): void {
    if (this.#isHealed) this.note({ op: "fault", phase: "begin", name })
    this.#isHealed = true
    this.note({ op: "fault", phase: "healed", name })
  }

  elapsedMs(): number {
    return this.world.now - startMs
  }
}

/** What an outage, a pause and a lost lease of the machine may still cost after they are over. */
const play = (simulation: Simulation, plan: Plan): void => {
  const { network, server, world } = simulation
  network.weather = plan.weather
  for (let at = 0; at < plan.workers; at++) simulation.startWorker(at)
  for (let at = 0; at < plan.clients; at++) simulation.startClient(at)
  for (const blow of plan.blows) world.after(blow.atMs, () => simulation.strike(blow))
  simulation.run(() => false, plan.healsMs)

  // Everything works again.
  network.weather = fine
  network.isDown = false
  simulation.heal("all")
  for (const { process } of [...simulation.workers, ...simulation.clients])
    if (process.isPaused) world.resume(process)
  if (plan.mode === "liveness") {
    simulation.restarts = false
    if (!simulation.workers.some(({ process }) => process.isAlive)) simulation.startWorker(0)
  }
  const operate = () => {
    server.now(resumed(server.stored))
    world.after(operatorEveryMs, operate)
  }
  operate()
  const healedMs = simulation.elapsedMs()
  simulation.run(() => simulation.isAnswered(), healedMs + endsWithinMs)
  server.now(undone(server.stored))
  simulation.run(() => simulation.isOver(), healedMs + endsWithinMs)
  simulation.history.push(...lookAt(server.stored, simulation.history))

  // All that is kept for a time goes when it is over.
  server.process.ahead += Duration.toMillis(settings.deadRetention) + Duration.toMillis(settings.retention)
  const left = () => server.stored.heaps.all().flatMap(leftIn)
  // To wait for the janitor takes longer than all the rest, so most seeds do its work for it.
  if (plan.seed % janitorEvery !== 0) server.now(swept(server.stored))
  simulation.run(() => left().length === 0, simulation.elapsedMs() + sweptWithinMs)
  for (const what of left()) simulation.failures.push({ invariant: "I10", what })
}

/** An agent one of whose messages went with its workers is in quarantine, as it should be, until an operator comes. */
const resumed = ({ heaps, of }: Stored) =>
  Effect.forEach(
    heaps
      .all()
      .flatMap(({ agents, partition }) =>
        [...agents].flatMap(([agent, { quarantined }]) =>
          quarantined === undefined ? [] : [[partition, agent] as const]
        )
      ),
    ([partition, agent]) =>
      of(Agents).resume(partition, agent, { box: `|${agentBoxKey(agent)}`, reset: false }),
    { discard: true }
  ).pipe(Effect.orDie)

/** What the janitor does. */
const swept = (stored: Stored) =>
  Effect.forEach(Object.keys(queues), (queue) => Janitor.sweep(partitionOf(queue)), { discard: true }).pipe(
    Effect.provideService(Store, stored.of(Store)),
    Effect.provideService(Steps, stored.of(Steps))
  )

/** Undoes what a client that has died left as it was: a schedule would go on, and a queue stand still, for ever. */
const undone = (stored: Stored) =>
  Effect.gen(function* () {
    for (const queue of Object.keys(queues)) yield* stored.of(Operations).pause(partitionOf(queue), false)
    const all = stored.of(Schedules)
    const { schedules } = yield* all.list(undefined, 1_000)
    for (const { id, version } of schedules)
      yield* all.change({ id, from: version, to: undefined, slot: undefined, notes: [], submits: [] })
  }).pipe(Effect.orDie)

/** Runs a plan from its beginning to its end. */
export const simulate = (plan: Plan, options: Options = {}): Outcome => {
  const simulation = new Simulation(plan, options)
  const { world } = simulation
  sealed(
    world,
    () => simulation.me(),
    () => play(simulation, plan)
  )
  return {
    plan,
    violations: [...simulation.failures, ...violationsIn(simulation.history, { leaseMs })],
    hash: world.hash,
    trace: world.trace,
    steps: world.steps,
    history: simulation.history,
    simulatedMs: simulation.elapsedMs()
  }
}
