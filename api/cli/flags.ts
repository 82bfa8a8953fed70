/** Flags and arguments that several commands share, so that they look and fail alike. */
import { Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { Argument, Command, Flag, GlobalFlag } from "effect/cli"
import { readPosition } from "../../actors/follow/follow.ts"
import * as Tree from "../../actors/tree.ts"
import { Access } from "../../runtime/access.ts"
import { readDuration } from "../../runtime/duration.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { TaskId } from "../../runtime/task.ts"
import * as Traces from "../../runtime/telemetry/tracing.ts"
import { TenantName } from "../../runtime/tenant.ts"
import { Troupe } from "../client/effect.ts"
import type { InvalidTaskId } from "../client/errors.ts"
import { readId } from "../client/operate.ts"
import { connected as settingsOf, logLevel } from "../client/settings.ts"
import { noted } from "./noting.ts"

/** A flag whose value is a duration. */
export const duration = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(readDuration, () => "a duration such as 10s or 5m"),
    Flag.withMetavar("10s")
  )

/** The same, which may be left out. */
export const optionalDuration = (name: string, description: string) =>
  duration(name).pipe(Flag.withDescription(description), Flag.optional)

/** A flag whose value is a text, and which may be left out. */
export const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(metavar), Flag.optional)

export const redis = text(
  "redis",
  "URL",
  "Redis; default REDIS_URL, or else the private Redis of this folder"
)

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON, one line an item"),
  Flag.withDefault(false)
)

/** A task's id. One that cannot be is that of no task, which `taskIds` says. */
export const id = Argument.String("id").pipe(Argument.withDescription("A task's id, as submit prints it"))

/** The ids as they are, unless one of them cannot be: so that what is done to several is done to all or none of those. */
export const taskIds = (ids: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<TaskId>, InvalidTaskId> =>
  Effect.forEach(ids, readId)

/** Whether a text is the id of an event of a task. */
export const isEventId = (text: string): boolean => Result.isSuccess(readPosition(text))

/** Whose tasks a command is about. */
const tenant = GlobalFlag.Setting("tenant")({
  flag: Flag.String("tenant").pipe(
    Flag.withDescription("Whose tasks it is about; default the tenant default"),
    Flag.withMetavar("TENANT"),
    Flag.filter(
      (text) => Schema.is(TenantName)(text),
      () => "a tenant such as acme: 1 to 63 of a-z 0-9 _ -"
    ),
    Flag.optional
  )
})

/** Lets a command, and those below it, be about another tenant's tasks: `--tenant`. */
export const forTenants = <Name extends string, Input, ContextInput, E, R>(
  command: Command.Command<Name, Input, ContextInput, E, R>
) => Command.withGlobalFlags(command, [tenant])

/** The tenant that a command is about, where one was said. */
export const saidTenant: Effect.Effect<string | undefined> = Effect.map(
  Effect.serviceOption(tenant),
  (said) => Option.getOrUndefined(Option.flatten(said))
)

/** The settings of the system that the flags and the environment name. */
export const settings = (flags: { readonly redis: Option.Option<string> }) =>
  settingsOf(
    Option.match(flags.redis, {
      onNone: () => ({}),
      onSome: (url) => ({ redisUrl: Redacted.make(url) })
    })
  )

const noting = Effect.map(Effect.all([Troupe, Access, saidTenant]), ([troupe, access, tenant]) =>
  noted(troupe, tenant, access)
)

/** Connects to the system that the flags and the environment name, while an effect runs. What operators do is noted. */
export const connected = (
  handlers: ReadonlyArray<TaskDefinition>,
  flags: { readonly redis: Option.Option<string> }
) =>
  Effect.provide(
    Layer.effect(Troupe, noting).pipe(
      Layer.provide(
        Layer.unwrap(Effect.map(saidTenant, (tenant) => Troupe.over(tenant === undefined ? {} : { tenant })))
      ),
      Layer.provide(Layer.mergeAll(Tree.store("redis"), Tree.handlers(handlers))),
      Layer.provide(logLevel),
      Layer.provide(Traces.layer()),
      Layer.provide(settings(flags))
    )
  )
