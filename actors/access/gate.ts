/**
 * Lets callers in: by a key, or by a ticket that one was given for.
 *
 * A key is looked up in the store at most once a second by each process, so what was revoked is refused everywhere after
 * `revokedWithin`, and a busy key costs the store one read a second. Who was let in for long, as to follow something, is
 * told when its key ends. While there never was a key everybody is let in, where that is allowed.
 */
import { Cache, Clock, Context, Duration, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Access, type Allowance, type Rate } from "../../runtime/access.ts"
import {
  digestOfTicket,
  isProved,
  newTicket,
  proofOf,
  readKeyText,
  standingOf
} from "../../runtime/access-key.ts"
import { Settings } from "../../runtime/config.ts"
import { Role } from "../../runtime/roles.ts"
import type { StoreError } from "../../runtime/store.ts"
import { anyone, type Caller } from "./caller.ts"
import { pepper } from "./keys.ts"

/** How long what is known of a key counts in a process that has looked it up. */
export const revokedWithin = Duration.seconds(1)

/**
 * How long what was known last lets in those who ask how things are while the store is away. Nobody can make, rotate or
 * revoke a key meanwhile.
 */
export const recalledFor = Duration.hours(1)

/** How long those wait for the store. */
const recallAfter = Duration.seconds(1)

/** How long a ticket is good for: as long as a page takes to open its stream. */
export const ticketFor = Duration.seconds(30)

/** How many keys a process remembers. */
const rememberedMax = 10_000

/** Nothing was shown that lets anybody in: no key, an unknown, revoked or expired one, or a ticket that is used or over. */
export class NotLetIn extends Schema.TaggedError<NotLetIn>()("NotLetIn", {
  shown: Schema.Literals(["nothing", "key", "ticket"])
}) {
  override get message() {
    if (this.shown === "nothing") return "show a key: Authorization: Bearer troupe_…"
    return this.shown === "key"
      ? "this key is not known, is revoked, or is over"
      : "this ticket is not for this, was used, or is over; ask for another one"
  }
}

/** The key makes more requests than its rate allows. Come back later. */
export class TooFast extends Schema.TaggedError<TooFast>()("TooFast", {
  limit: Schema.Finite,
  retryAfterMs: Schema.Finite
}) {
  override get message() {
    return `this key may make ${this.limit} requests at once; the next one in ${this.retryAfterMs} ms`
  }
}

/** What a ticket is good for, once: following one task, following all, or the web socket. */
export const Purpose = Schema.Union([
  Schema.Struct({ for: Schema.Literal("task"), task: Schema.String }),
  Schema.Struct({ for: Schema.Literals(["events", "socket"]) })
])
export type Purpose = typeof Purpose.Type

const textOf = (purpose: Purpose): string => (purpose.for === "task" ? `task ${purpose.task}` : purpose.for)

const Issued = Schema.Struct({
  tenant: Schema.String,
  role: Role,
  key: Schema.optionalKey(Schema.String),
  purpose: Schema.String
})
const issuedJson = Schema.fromJsonString(Issued)
const encodeIssued = Schema.encodeSync(issuedJson)
const decodeIssued = Schema.decodeUnknownSync(issuedJson)

/** What a caller shows. A ticket says what it is used for. */
export type Shown =
  | { readonly bearer: string }
  | { readonly ticket: string; readonly purpose: Purpose }
  | undefined

/** Who was let in, and how fast it may go, where that is bounded. */
export interface Entrant extends Caller {
  readonly rate?: Rate
}

export class Gate extends Context.Service<
  Gate,
  {
    /** Whether there never was a key. Another process's first one is known of within `revokedWithin`. */
    readonly isOpen: Effect.Effect<boolean, StoreError>
    /** Says that this process has made a key: from now on it is not open, whatever it has known last. */
    readonly madeKey: Effect.Effect<void>
    /**
     * Lets somebody in, or does not. With `open`, everybody while there never was a key. With `recalling`, by what was known
     * last where the store does not answer: for what tells that it is away.
     */
    readonly admit: (
      shown: Shown,
      options: { readonly open: boolean; readonly recalling?: boolean }
    ) => Effect.Effect<Entrant, NotLetIn | StoreError>
    /** Fails within `revokedWithin` of the moment when what a caller was let in by counts no more. */
    readonly whileLetIn: (caller: Caller) => Effect.Effect<never, NotLetIn>
    /** Uses one of a caller's requests. `undefined` where nothing bounds them. */
    readonly spend: (
      entrant: Entrant
    ) => Effect.Effect<(Allowance & { readonly limit: number }) | undefined, TooFast | StoreError>
    /** A ticket in the caller's name. */
    readonly issue: (
      caller: Caller,
      purpose: Purpose
    ) => Effect.Effect<{ readonly ticket: string; readonly expiresAt: number }, StoreError>
  }
>()("troupe/Gate") {}

const make = Effect.gen(function* () {
  const access = yield* Access
  const settings = yield* Settings
  const recall = makeRecall()
  /** Whether there is any. Once there was one there always will be. */
  let everAny = false
  const find = (id: string) =>
    Effect.tap(recall.note(id, access.find(id)), ({ any }) =>
      Effect.sync(() => {
        everAny ||= any
      })
    )
  const known = yield* Cache.makeWith(find, {
    capacity: rememberedMax,
    timeToLive: (exit) =>
      Exit.isSuccess(exit) && exit.value.found !== undefined ? revokedWithin : Duration.zero
  })
  const any = yield* Cache.makeWith((_: "any") => Effect.map(find("none"), ({ any }) => any), {
    capacity: 1,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? revokedWithin : Duration.zero)
  })
  const isOpen = Effect.suspend(() =>
    everAny ? Effect.succeed(false) : Effect.map(Cache.get(any, "any"), (there) => !there)
  )
  const madeKey = Effect.sync(() => {
    everAny = true
  })
  const wasOpen = recall.orLast("none", isOpen, ({ any }) => !any)

  const entrantOf = ({
    id,
    rate,
    role,
    tenant
  }: {
    readonly id: string
    readonly tenant: string
    readonly role: Role
    readonly rate?: Rate
  }): Entrant => ({
    tenant,
    role,
    key: id,
    ...(rate === undefined ? {} : { rate })
  })

  const byKey = Effect.fnUntraced(function* (
    bearer: string,
    recalling: boolean
  ): Effect.fn.Return<Entrant, NotLetIn | StoreError> {
    const refused = new NotLetIn({ shown: "key" })
    const said = readKeyText(bearer)
    if (said === undefined) return yield* refused
    const now = yield* Clock.currentTimeMillis
    const proving = ({ found, salt }: Effect.Success<ReturnType<typeof access.find>>) => {
      // An unknown id takes as long as a wrong secret.
      const proof = proofOf(said.id, said.secret, pepper(salt, settings))
      return found !== undefined && isProved(found.key, proof, now) ? found : undefined
    }
    const get = Cache.get(known, said.id)
    const got = recalling ? recall.orLast(said.id, get, (last) => last) : get
    // What is not proved by what is remembered may be by what a rotation has made of it.
    const found = proving(yield* got) ?? proving(yield* Effect.andThen(Cache.invalidate(known, said.id), got))
    if (found === undefined || standingOf(found.key, now) !== "counts") {
      return yield* refused
    }
    return entrantOf(found.key)
  })

  /** The key of a caller, if it still counts. */
  const standing = Effect.fnUntraced(function* (id: string) {
    const { found } = yield* Cache.get(known, id)
    return found !== undefined && standingOf(found.key, yield* Clock.currentTimeMillis) === "counts"
      ? found.key
      : undefined
  })

  const byTicket = Effect.fnUntraced(function* (
    ticket: string,
    purpose: Purpose,
    open: boolean
  ): Effect.fn.Return<Entrant, NotLetIn | StoreError> {
    const refused = new NotLetIn({ shown: "ticket" })
    const text = yield* access.takeTicket(digestOfTicket(ticket))
    if (text === undefined) return yield* refused
    const issued = decodeIssued(text)
    if (issued.purpose !== textOf(purpose)) return yield* refused
    if (issued.key === undefined) return open && (yield* isOpen) ? anyone : yield* refused
    const key = yield* standing(issued.key)
    return key === undefined ? yield* refused : entrantOf(key)
  })

  const admit: Gate["Service"]["admit"] = (shown, { open, recalling = false }) =>
    Effect.gen(function* () {
      if (shown === undefined) {
        return open && (yield* recalling ? wasOpen : isOpen)
          ? anyone
          : yield* new NotLetIn({ shown: "nothing" })
      }
      return "bearer" in shown
        ? yield* byKey(shown.bearer, recalling)
        : yield* byTicket(shown.ticket, shown.purpose, open)
    })

  const whileLetIn: Gate["Service"]["whileLetIn"] = ({ key }) =>
    // Who was let in by nothing stays until there is a key.
    (key === undefined ? isOpen : Effect.map(standing(key), (there) => there !== undefined)).pipe(
      // A store that does not answer says nothing of a key.
      Effect.orElseSucceed(() => true),
      Effect.repeat({ schedule: Schedule.spaced(revokedWithin), while: (counts) => counts }),
      Effect.andThen(new NotLetIn({ shown: key === undefined ? "nothing" : "key" }))
    )

  const spend: Gate["Service"]["spend"] = ({ key, rate }) =>
    key === undefined || rate === undefined
      ? Effect.undefined
      : Effect.flatMap(access.spend(key, rate), (allowance) =>
          allowance.allowed
            ? Effect.succeed({ ...allowance, limit: rate.count })
            : Effect.fail(new TooFast({ limit: rate.count, retryAfterMs: allowance.retryAfterMs }))
        )

  const issue: Gate["Service"]["issue"] = Effect.fnUntraced(function* ({ key, role, tenant }, purpose) {
    const ticket = newTicket()
    const issued = { tenant, role, ...(key === undefined ? {} : { key }), purpose: textOf(purpose) }
    yield* access.putTicket(digestOfTicket(ticket), encodeIssued(issued), Duration.toMillis(ticketFor))
    return { ticket, expiresAt: (yield* Clock.currentTimeMillis) + Duration.toMillis(ticketFor) }
  })

  return Gate.of({ isOpen, madeKey, admit, whileLetIn, spend, issue })
})

type Known = Effect.Success<ReturnType<Access["Service"]["find"]>>

/** What the store said last of each key, and for how long that may stand in for it. */
const makeRecall = () => {
  const last = new Map<string, { readonly known: Known; readonly at: number }>()

  const note = (id: string, find: Effect.Effect<Known, StoreError>) =>
    Effect.gen(function* () {
      const known = yield* find
      last.delete(id)
      if (known.found !== undefined || id === "none")
        last.set(id, { known, at: yield* Clock.currentTimeMillis })
      for (const [oldest] of last) {
        if (last.size <= rememberedMax) break
        last.delete(oldest)
      }
      return known
    })

  /** What the store says, or said last where it does not answer soon. */
  const orLast = <A>(id: string, ask: Effect.Effect<A, StoreError>, read: (known: Known) => A) =>
    Effect.gen(function* () {
      const answer = yield* Effect.exit(Effect.timeoutOption(ask, recallAfter))
      if (Exit.isSuccess(answer) && Option.isSome(answer.value)) return answer.value.value
      const then = last.get(id)
      const now = yield* Clock.currentTimeMillis
      if (then !== undefined && now - then.at <= Duration.toMillis(recalledFor)) return read(then.known)
      return yield* Exit.isFailure(answer) ? Effect.failCause(answer.cause) : ask
    })

  return { note, orLast }
}

/** Give it the store of access and the settings. */
export const layer = Layer.effect(Gate, make)
