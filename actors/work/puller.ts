/**
 * Takes turns with one partition for one worker incarnation: claims what can run now, and settles what has finished.
 *
 * At most two turns are in flight, so that a batch runs while the next is fetched; what finishes meanwhile gathers
 * for the next turn. A turn without an answer is said again, alone, asking for everything held: a claim whose reply
 * was lost would otherwise be held by us and run by nobody. It ends with `Fenced` once the lease is lost, having
 * interrupted everything it ran.
 *
 * Its state is plain values. Whatever changes them calls `change`, and `advance` then does all that follows: no
 * fiber waits for the next turn, since a wake-up of each would cost more than the turn.
 */
import { Cause, Clock, Deferred, Duration, Effect, Exit, type Scope } from "effect"
import type { Agents } from "../../runtime/agents.ts"
import type { Limits } from "../../runtime/limits.ts"
import type { Operations } from "../../runtime/operations.ts"
import type { Handlers } from "../../runtime/registry.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import { counter } from "../../runtime/telemetry/instruments.ts"
import type { Steps } from "../../runtime/steps.ts"
import { type Bell, bellWaitMaxMs, Fenced, type Order, Store, StoreError } from "../../runtime/store.ts"
import type { Claim, Turn, TurnReply, WorkerId } from "../../runtime/turn.ts"
import { type Entry, idIn, type Partition, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import type { Services } from "./attempt.ts"
import type { Offspring } from "../dispatch/offspring.ts"
import { openBooks } from "./books.ts"
import { openCarrying } from "./carrying.ts"
import { Conditions } from "./conditions.ts"
import { Demand } from "./demand.ts"
import { openFlights } from "./flights.ts"
import { Handover } from "./handover.ts"
import { Holdings } from "./holdings.ts"
import { Lease } from "./lease.ts"
import { beatsPerLease, openPulse } from "./pulse.ts"
import { openRuns } from "./runs.ts"
import { releaseOf, saidAtOnce, type Settled, sayingsOf } from "./settled.ts"
import { openWaking } from "./waking.ts"

/** How many notes one turn says at most. */
const notesMax = 250

/** How many turns are in flight at once. */
const flightsMax = 2

/** How long a puller waits after a turn without an answer, at first and at most, in milliseconds. */
const backoffMinMs = 25
const backoffMaxMs = 1_000

const unanswered = counter("troupe_turns_unanswered_total")
const givenBack = counter("troupe_claims_given_back_total")

export interface Puller {
  readonly partition: Partition
  /** Never succeeds. Fails once this incarnation has lost its lease; nothing of it runs any more. */
  readonly fenced: Effect.Effect<never, Fenced>
  /** Claims no more, and says so. */
  readonly stopClaiming: () => void
  /** Succeeds once nothing runs, and no claim is on its way. */
  readonly finished: Effect.Effect<void>
  /** Interrupts what runs, for others to run it again. Succeeds once nothing of it runs any more. */
  readonly handBack: Effect.Effect<void>
  /** Succeeds once all that is to be said of runs is stored. */
  readonly said: Effect.Effect<void>
  /** Ends the registration. What is still held in its name goes back to the mailboxes. */
  readonly leave: Effect.Effect<void>
  /** The tasks that run. */
  readonly tasks: () => ReadonlyArray<TaskId>
  /** Obeys an order to this worker. What it was handed by a submit is run, unless it was given back meanwhile. */
  readonly obey: (order: Order) => void
  readonly running: () => number
  /** Whether nothing runs, and nothing is on its way. */
  readonly idle: () => boolean
  /** How many runs have ended. */
  readonly done: () => number
  /** The permits of limits that are out in its name. */
  readonly permits: () => ReadonlyArray<string>
}

export interface PullerOptions {
  readonly partition: Partition
  /** The partition's bell. */
  readonly bell: Bell
  readonly worker: WorkerId
  readonly concurrency: number
  readonly lease: Duration.Duration
  /** How often it says something of itself, at most a third of the lease. */
  readonly heartbeat: Duration.Duration
  /** The store was out of reach just now: it judges nobody for a lease, as after an outage that it has seen itself. */
  readonly afterOutage: boolean
  readonly services: Services
  /** What its worker says of itself. */
  readonly about: () => unknown
  /** Permits came, or were refused. */
  readonly onPermits: () => void
}

export const openPuller = Effect.fnUntraced(function* (
  options: PullerOptions
): Effect.fn.Return<
  Puller,
  StoreError,
  Store | Steps | Agents | Limits | Operations | Offspring | Handlers | Scope.Scope
> {
  const { bell, concurrency, partition, services, worker } = options
  const leaseMs = Duration.toMillis(options.lease)
  const heartbeatMs = Duration.toMillis(options.heartbeat)
  const store = yield* Store
  const fenced = yield* Deferred.make<never, Fenced>()
  const flights = yield* openFlights
  const { fly, send } = flights
  const tell = (log: Effect.Effect<void>) => Effect.annotateLogs(log, { partition, worker })
  const complaints = yield* Complaints
  const unansweredTurns = complaints.about(
    "a turn got no answer and is said again",
    "turns are answered again"
  )
  const carry = openCarrying({ flights, store, partition, tell, complaints })

  /** What has finished and is to be said; and what is being said in a turn on its way. */
  let settled: Array<Settled> = []
  const saying = new Set<ReadonlyArray<Settled>>()
  let inFlight = 0
  /** Whether a token of the bell was taken, or something fell due, for which a turn is owed. */
  let owed = false
  let again = true
  let joined = false
  const handover = new Handover()
  /** Whether it has left or was fenced: from then on a turn would only find that it is not registered. */
  let left = false
  let resting = false
  /** Whether permits came, or were refused, that no turn has heard of yet. */
  let permitsNews = false
  let lastTurnMono = 0
  let backoffMs = 0

  const lease = new Lease({ clock: yield* Clock.Clock, leaseMs, afterOutage: options.afterOutage })
  const { mono, redisNow } = lease

  // A batch that finishes in one tick is said in one turn; where nothing runs, nothing more will finish.
  let soon = false
  let laterOn = false
  const change = () => {
    if (holdings.size > 0) return later()
    if (soon) return
    soon = true
    queueMicrotask(advance)
  }
  const later = () => {
    if (laterOn) return
    laterOn = true
    setImmediate(tick)
  }

  const runs = yield* openRuns({
    partition,
    worker,
    services,
    mono,
    redisNow,
    holdsLease: lease.isHeld,
    onSettled: (one) => keep(one),
    onChange: () => change()
  })

  const books = yield* openBooks({
    partition,
    worker,
    leaseMs,
    judges: () => lease.said.judges,
    onPermits: () => {
      permitsNews = true
      // Told before any run starts with them, which may block this process from then on.
      options.onPermits()
      change()
    }
  })

  const keep = (one: Settled) => {
    settled.push(one)
    books.settled(one)
  }

  const holdings = new Holdings({
    places: concurrency,
    runs,
    books,
    mono,
    holdsLease: lease.isHeld,
    onRelease: keep
  })

  const demand = new Demand({
    places: concurrency,
    held: () => holdings.size,
    owed: () => handover.owed,
    isSwift: () => holdings.isSwift
  })

  const conditions = new Conditions()
  const until = (holds: () => boolean) => conditions.until(holds, change)

  const tick = () => {
    laterOn = false
    if (flights.isClosed()) return
    holdings.ticked()
    advance()
  }

  const advance = () => {
    soon = false
    if (flights.isClosed()) return
    // One a tick: two that leave together are answered together, and until then there is nothing to run.
    if (mayFly()) {
      takeTurn()
      if (mayFly()) later()
    }
    listen()
    conditions.look()
  }

  // -------------------------------------------------------------------------------------------------------
  // Turns
  // -------------------------------------------------------------------------------------------------------

  const isIdle = () => holdings.size === 0 && settled.length === 0 && inFlight === 0

  /** Whether nothing will run here unless something new is submitted. */
  const mayStandBy = () =>
    holdings.size === 0 && inFlight === 0 && joined && !again && !demand.keeps && !demand.isClosed

  const renewDue = () =>
    mono() - lastTurnMono > Math.min(leaseMs / beatsPerLease, heartbeatMs, 2 * bellWaitMaxMs)

  const hasReason = (): boolean => {
    if (left) return false
    // Joining, and asking for everything held, are done alone: another turn on its way would blur the answer.
    if (again) return inFlight === 0
    // While a turn is on its way, permits ride in the next one anyway.
    if (permitsNews && inFlight === 0 && !demand.isClosed && demand.free > 0) return true
    if (mayStandBy() && settled.length === 0 && demand.free > 0 && !handover.standsBy) return true
    return settled.length > 0 || owed || demand.mayClaim || runs.noteIsDue() || renewDue()
  }

  const mayFly = () => inFlight < flightsMax && !resting && hasReason()

  const compose = (said: ReadonlyArray<Settled>, want: number, permits: Turn["permits"]): Turn => ({
    worker,
    leaseMs,
    want,
    join: !joined,
    again,
    ...lease.said,
    ...handover.say(mayStandBy()),
    ...sayingsOf(said),
    notes: runs.takeNotes(notesMax),
    share: demand.shares(want),
    suspect: !holdings.hasSuspect,
    permits,
    deferred: books.permits.deferred(),
    about: aboutNow()
  })

  /** Agents whose acts were refused: what is at hand of them is not what is stored. */
  const refuse = (turn: Turn, lost: ReadonlySet<Entry>) => {
    for (const settlement of turn.settled) {
      if (settlement.kind === "end" && settlement.act !== undefined && lost.has(settlement.entry))
        runs.refused(settlement.act.agent)
    }
  }

  /** Starts what was claimed, unless it was read so late that it may be somebody else's by now: what is held is asked for. */
  const accept = (claims: ReadonlyArray<Claim>) => {
    demand.took(claims.length)
    if (lease.isHeld()) holdings.accept(claims)
    else again = true
  }

  const takeReply = (turn: Turn, reply: TurnReply, sentMono: number) => {
    const now = mono()
    lease.answered(sentMono, reply.now)
    handover.answered(turn, reply, now)
    if (handover.isOverdue(now)) again = true
    waking.nextDue = reply.nextDue
    joined = true
    backoffMs = 0
    // Without permits none of them is limited.
    const limitedClaims =
      turn.permits.length === 0 ? 0 : reply.claimed.filter(({ ring }) => ring !== undefined).length
    demand.gave(turn.want, reply.claimed.length, limitedClaims)
    runs.activated(reply.agents)
    if (reply.lost.length > 0) refuse(turn, new Set(reply.lost))
    accept(reply.claimed)
    books.permits.turned(turn.permits)
    demand.limited(books.permits.want(reply.rings, demand.free, concurrency))
    if (!books.permits.isAsking()) demand.keptEnough()
    for (const entry of reply.lost) holdings.stop(entry, "lost")
    if (reply.outbox) carry()
    if (!lease.isHeld()) again = true
    if (!turn.again || !lease.isHeld()) return
    again = false
    // What was cancelled while no order could be heard is not held any more.
    holdings.keep(new Set([...reply.held, ...reply.claimed.map(({ entry }) => entry)]))
    const said = [settled, ...saying].flat().map(({ settlement }) => settlement.entry)
    const known = new Set([...holdings.entries(), ...said])
    const unknown = reply.held.filter((entry) => !known.has(entry))
    for (const entry of unknown) settled.push(releaseOf(entry))
    handover.gaveBack(unknown)
    if (unknown.length > 0) givenBack(unknown.length)
  }

  let aboutMono = Number.NEGATIVE_INFINITY
  /** What this worker says of itself, now and then. */
  const aboutNow = () => {
    const now = mono()
    if (now - aboutMono < heartbeatMs) return undefined
    aboutMono = now
    return JSON.stringify(options.about())
  }

  /** Ends everything without a word: none of it is ours any more. */
  const giveUp = (error: Fenced) => {
    left = true
    holdings.keep(new Set())
    settled = []
    Deferred.doneUnsafe(fenced, Effect.fail(error))
  }

  const rest = (error: StoreError) => {
    unanswered()
    again = true
    resting = true
    backoffMs = Math.min(backoffMaxMs, Math.max(backoffMinMs, backoffMs * 2))
    const warning = tell(unansweredTurns.wrong(error.message))
    fly(Effect.andThen(warning, Effect.sleep(backoffMs)), () => {
      resting = false
      change()
    })
  }

  const takeTurn = () => {
    // Places that limits have granted are not asked for twice.
    const permits = demand.next(true) > 0 ? books.permits.have() : []
    if (permits.length > 0 || permitsNews || again) demand.keptEnough()
    else demand.keep()
    const want = demand.next(permits.length > 0)
    const said = settled.splice(0, saidAtOnce(settled))
    const turn = compose(said, want, permits)
    saying.add(said)
    owed = false
    permitsNews = false
    inFlight += 1
    demand.asked(want)
    const sentMono = mono()
    lastTurnMono = sentMono
    fly(store.turn(partition, turn), (exit) => {
      inFlight -= 1
      demand.answered(want)
      saying.delete(said)
      if (Exit.isSuccess(exit)) {
        const isOver = unansweredTurns.well()
        if (isOver !== undefined) send(tell(isOver))
        takeReply(turn, exit.value, sentMono)
      } else {
        books.permits.turned(turn.permits)
        demand.keptEnough()
        handover.unanswered(turn)
        const error = Cause.squash(exit.cause)
        if (error instanceof Fenced) giveUp(error)
        else {
          settled = [...said, ...settled]
          if (!(error instanceof StoreError)) send(tell(Effect.logError("a turn failed", exit.cause)))
          rest(error instanceof StoreError ? error : new StoreError({ operation: "turn", cause: error }))
        }
      }
      change()
    })
  }

  // -------------------------------------------------------------------------------------------------------
  // What leads to turns
  // -------------------------------------------------------------------------------------------------------

  /** Something may wait in the lanes: a turn is owed. */
  const wake = () => {
    demand.wake()
    owed = true
    change()
  }

  const waking = openWaking({ flights, bell, redisNow, tell, complaints, wake, change })
  // What is on its way ends before everything else is closed.
  yield* Effect.addFinalizer(() => flights.close)
  /** Waits for the bell while there is room and the lanes were found empty, and for the next delayed task. */
  const listen = () => {
    if (demand.isClosed || left || owed || demand.isClaiming) return
    if (joined && demand.isSated && demand.free > 0) waking.listen()
    if (waking.nextDue !== undefined) waking.await(waking.nextDue)
  }

  yield* openPulse({
    leaseMs,
    runs,
    mono,
    until,
    tell,
    onLook: () => {
      // What was lost or cancelled ends without a word.
      books.look(holdings.has)
      change()
    },
    onBeat: (whole) => {
      if (whole) again = true
      change()
    }
  })
  change()

  /** Once nothing of this incarnation counts any more, there is nothing to wait for. */
  const unlessOver = (effect: Effect.Effect<void>) =>
    Effect.suspend(() =>
      left || flights.isClosed()
        ? Effect.void
        : Effect.raceFirst(effect, Effect.ignore(Deferred.await(fenced)))
    )

  const stopClaiming = () => {
    demand.close()
    // A turn of its own takes back that it stands by, and what it was handed without having heard of it.
    if (handover.standsBy || handover.owed > 0) again = true
    aboutMono = Number.NEGATIVE_INFINITY
    owed = true
    change()
  }

  const finished = unlessOver(until(() => runs.size() === 0 && inFlight === 0))

  const handBack = Effect.suspend(() => {
    holdings.close()
    for (const entry of runs.entries()) runs.interrupt(entry, "drain")
    return unlessOver(until(() => runs.size() === 0))
  })

  const said = Effect.suspend(() => {
    runs.abandon()
    return unlessOver(until(() => runs.size() === 0 && settled.length === 0 && inFlight === 0))
  })

  const leave = Effect.suspend(() => {
    // One that was fenced has nothing left to hand back.
    if (left || flights.isClosed()) return Effect.void
    left = true
    return Effect.ignore(store.leave(partition, worker))
  })

  const obey = (order: Order) => {
    if ("partition" in order && order.partition !== partition) return
    switch (order.kind) {
      case "run":
        if (left || holdings.has(order.claim.entry) || !handover.hears(order.claim.entry)) return
        accept([order.claim])
        break
      case "stop":
        holdings.stop(order.entry, "cancelled")
        break
      case "drain":
        return stopClaiming()
      case "all":
        again = true
    }
    change()
  }

  return {
    partition,
    fenced: Deferred.await(fenced),
    stopClaiming,
    finished,
    handBack,
    said,
    leave,
    tasks: () => runs.entries().map((entry) => idIn(partition, ulidOfEntry(entry))),
    obey,
    running: () => runs.size(),
    idle: isIdle,
    done: runs.done,
    permits: books.permits.out
  }
})
