/** `troupe keys`: makes keys, lists, rotates and revokes them, and shows what operators did. */
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { auditPage } from "../../actors/access/audit.ts"
import type { Caller } from "../../actors/access/caller.ts"
import * as Keys from "../../actors/access/keys.ts"
import type { KeyView, MadeKey } from "../../actors/access/keys.ts"
import * as Tree from "../../actors/tree.ts"
import type { Rate, StoredAudit } from "../../runtime/access.ts"
import { readDuration } from "../../runtime/duration.ts"
import { Role } from "../../runtime/roles.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
import { logLevel } from "../client/settings.ts"
import { auditJson, keyJson, madeKeyJson } from "../http/access-view.ts"
import { given as said } from "./filters.ts"
import * as Flags from "./flags.ts"
import { noting } from "./noting.ts"
import * as Output from "./output.ts"
import { gather } from "./pages.ts"
import { type Column, printList } from "./table.ts"

const { KeyOperator } = Keys

const common = { redis: Flags.redis, json: Flags.json }
const id = Argument.String("id").pipe(Argument.withDescription("A key's id, as ls shows it"))

/** The keys of the system that the flags and the environment name, while an effect runs. */
const onSystem = (flags: { readonly redis: Option.Option<string> }) =>
  Effect.provide(
    Keys.layer.pipe(
      Layer.provideMerge(Tree.store("redis")),
      Layer.provide(logLevel),
      Layer.provideMerge(Flags.settings(flags))
    )
  )

/** Who is at the command line: an admin of the tenant that it is about; of the tenant `default`, an admin of all. */
const operator = Effect.map(Flags.saidTenant, (tenant = tenantDefault): Caller => ({ tenant, role: "admin" }))

const time = (millis: number | undefined) => (millis === undefined ? "" : new Date(millis).toISOString())

const columns: ReadonlyArray<Column<KeyView>> = [
  ["ID", ({ id }) => id],
  ["TENANT", ({ tenant }) => tenant],
  ["ROLE", ({ role }) => role],
  ["STATE", ({ state }) => state],
  ["LABEL", ({ label }) => label],
  ["CREATED", ({ createdAt }) => time(createdAt)],
  ["EXPIRES", ({ expiresAt }) => time(expiresAt)]
]

/** `60/1m`: so many in so long. */
const readRate = (text: string): Option.Option<Rate> => {
  const [, count, per = ""] = /^(\d{1,7})\/(.+)$/.exec(text) ?? []
  return count === undefined
    ? Option.none()
    : Option.map(readDuration(/^\d/.test(per) ? per : `1${per}`), (duration) => ({
        count: Number(count),
        perMs: Duration.toMillis(duration)
      }))
}

/** The key alone on stdout, so that a script may keep it; what is to be known of it beside that. */
const printMade = (made: MadeKey, json: boolean) =>
  json
    ? Output.print(JSON.stringify(madeKeyJson(made)))
    : Output.print(Redacted.value(made.key)).pipe(
        Effect.andThen(
          Output.say(
            `key ${made.id} of tenant ${made.tenant}, role ${made.role}: it is shown this once` +
              (made.overlapsUntil === undefined
                ? ""
                : `; the earlier secret goes on until ${time(made.overlapsUntil)}`)
          )
        )
      )

const create = Command.make(
  "create",
  {
    role: Flag.Literals("role", Role.literals).pipe(Flag.withDescription("What it may do")),
    label: Flag.String("label").pipe(Flag.withDescription("What it is for"), Flag.optional),
    expires: Flags.duration("expires").pipe(
      Flag.withDescription("It ends so much later; default never"),
      Flag.optional
    ),
    rate: Flag.String("rate").pipe(
      Flag.filterMap(readRate, () => "a rate such as 60/1m"),
      Flag.withDescription("How many requests it may make in how long, as in 600/1m; default any"),
      Flag.withMetavar("N/TIME"),
      Flag.optional
    ),
    ...common
  },
  Effect.fnUntraced(function* ({ expires, json, label, rate, redis, role }) {
    const by = yield* operator
    const { tenant } = by
    const given = {
      role,
      ...said({ label, rate, expiresMs: Option.map(expires, Duration.toMillis) })
    }
    yield* Effect.gen(function* () {
      const keys = yield* KeyOperator
      const made = yield* noting("createKey", `${tenant} ${role}`, keys.create(by, given), tenant)
      yield* printMade(made, json)
    }).pipe(onSystem({ redis }))
  })
).pipe(
  Command.withDescription("Makes a key and prints it, this once; from the first one on the API asks for one"),
  Command.withShortDescription("Makes a key"),
  Command.withExamples([
    { command: "troupe keys create --role admin", description: "The first key, for whoever runs the system" },
    { command: "troupe keys create --tenant acme --role submit --json", description: "For a tenant, as JSON" }
  ])
)

const list = Effect.fnUntraced(function* ({
  json,
  redis
}: {
  readonly json: boolean
  readonly redis: Option.Option<string>
}) {
  const by = yield* operator
  yield* Effect.gen(function* () {
    const found = yield* KeyOperator.use((keys) => keys.list(by))
    yield* printList(found, { json, toJson: keyJson, columns })
  }).pipe(onSystem({ redis }))
})

const ls = Command.make("ls", common, list).pipe(
  Command.withDescription("Lists the keys of all tenants, revoked ones too, without what they are"),
  Command.withShortDescription("Lists keys"),
  Command.withExamples([{ command: "troupe keys ls --json", description: "One key a line, as JSON" }])
)

const rotate = Command.make(
  "rotate",
  {
    id,
    overlap: Flags.duration("overlap").pipe(
      Flag.withDescription("How long the earlier secret goes on; default 1 day, 0s for not at all"),
      Flag.optional
    ),
    ...common
  },
  Effect.fnUntraced(function* ({ id, json, overlap, redis }) {
    const by = yield* operator
    const given = said({ overlapMs: Option.map(overlap, Duration.toMillis) })
    yield* Effect.gen(function* () {
      const keys = yield* KeyOperator
      yield* printMade(yield* noting("rotateKey", id, keys.rotate(by, id, given), by.tenant), json)
    }).pipe(onSystem({ redis }))
  })
).pipe(
  Command.withDescription(
    "Gives a key another secret and prints it, this once; the earlier one goes on for a while"
  ),
  Command.withShortDescription("Gives a key another secret"),
  Command.withExamples([
    {
      command: "troupe keys rotate 8k2m4q6t0v1x --overlap 1h",
      description: "With an hour to put it in place"
    }
  ])
)

const revoke = Command.make(
  "revoke",
  {
    id,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Not needed here: who has lost a key is in a hurry"),
      Flag.withDefault(false)
    ),
    ...common
  },
  Effect.fnUntraced(function* ({ id, json, redis }) {
    const by = yield* operator
    yield* Effect.gen(function* () {
      const keys = yield* KeyOperator
      const revoked = yield* noting("revokeKey", id, keys.revoke(by, id), by.tenant)
      yield* printList([revoked], { json, toJson: keyJson, columns })
    }).pipe(onSystem({ redis }))
  })
).pipe(
  Command.withDescription("Ends a key for good: a second later no process lets anybody in with it"),
  Command.withShortDescription("Ends a key for good"),
  Command.withExamples([{ command: "troupe keys revoke 8k2m4q6t0v1x", description: "It was lost" }])
)

const auditColumns: ReadonlyArray<Column<StoredAudit>> = [
  ["AT", ({ at }) => time(at)],
  ["TENANT", ({ tenant }) => tenant],
  ["WHO", ({ who }) => who],
  ["WHAT", ({ what }) => what],
  ["ON", ({ on }) => on],
  ["OUTCOME", ({ outcome }) => outcome]
]

const audit = Command.make(
  "audit",
  {
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many; default 100"),
      Flag.withMetavar("N"),
      Flag.withDefault(100)
    ),
    cursor: Flag.String("cursor").pipe(Flag.withDescription("Go on where a list ended"), Flag.optional),
    ...common
  },
  Effect.fnUntraced(function* ({ cursor, json, limit, redis }) {
    const by = yield* operator
    yield* Effect.gen(function* () {
      const found = yield* gather(limit, Option.getOrUndefined(cursor), (at) =>
        Effect.map(auditPage(by, { ...at, limit: Math.min(at.limit, 1_000) }), ({ entries, ...rest }) => ({
          items: entries,
          ...rest
        }))
      )
      yield* printList(found, { json, toJson: auditJson, columns: auditColumns })
    }).pipe(onSystem({ redis }))
  })
).pipe(
  Command.withDescription(
    "Shows what operators did, the newest first: who, what, on what, and what came of it"
  ),
  Command.withShortDescription("Shows what operators did"),
  Command.withExamples([{ command: "troupe keys audit --limit 20", description: "The last twenty" }])
)

export const keys = () =>
  Command.make("keys", common, list).pipe(
    Command.withDescription("Lists the keys that the API asks for; makes, rotates and revokes them"),
    Command.withShortDescription("Lists keys, makes and revokes them"),
    Command.withExamples([
      { command: "troupe keys", description: "Every key with its tenant and role" },
      { command: "troupe keys create --role admin", description: "Make the first one" }
    ]),
    Command.withSubcommands([create, ls, rotate, revoke, audit])
  )
