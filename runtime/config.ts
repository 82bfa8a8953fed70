/**
 * The settings of a process, read from the environment once, at start.
 *
 * A name that starts with `TROUPE_` and is not in the table is refused with the nearest one that is: a misspelt setting
 * must not silently be its default.
 */
import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { nearest } from "./nearest.ts"
import { type Row, type SettingsShape, table } from "./setting-table.ts"

export type { SettingsShape } from "./setting-table.ts"

/** A setting cannot be used as it stands. Correct it and start again: nothing was started. */
export class SettingsError extends Schema.TaggedError<SettingsError>()("SettingsError", {
  /** The environment variable. */
  setting: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.setting}: ${this.reason}`
  }
}

const known: ReadonlyArray<string> = Object.values(table).map(([variable]) => variable)

const bare = (variable: string) => variable.replace(/^TROUPE_/, "")

/** The setting that was most likely meant. What all begin with says nothing of how near two are. */
const nearestSetting = (variable: string): string | undefined => {
  const word = bare(variable)
  const begun = known.filter((other) => bare(other).startsWith(`${word}_`))
  const near = nearest(word, known.map(bare))
  return known.find((other) => bare(other) === near) ?? (begun.length === 1 ? begun[0] : undefined)
}

/** Why a variable cannot be used: it looks like a setting, and is none. `undefined` for all others. */
export const unknownSetting = (variable: string): string | undefined => {
  if (!variable.startsWith("TROUPE_") || known.includes(variable)) return undefined
  const near = nearestSetting(variable)
  return `there is no such setting${near === undefined ? "" : `; did you mean ${near}?`}`
}

/** Variables and their texts, as a process is given them. */
export type Environment = Readonly<Record<string, string | undefined>>

const readAll = Effect.fnUntraced(function* (environment: Environment) {
  for (const variable of Object.keys(environment)) {
    const reason = unknownSetting(variable)
    if (reason !== undefined) return yield* new SettingsError({ setting: variable, reason })
  }
  const settings: Record<string, unknown> = {}
  for (const [name, [variable, otherwise, read]] of Object.entries(table as Record<string, Row<unknown>>)) {
    const value = environment[variable]
    settings[name] =
      value === undefined
        ? otherwise
        : yield* Effect.fromResult(
            Result.mapError(read(value), (reason) => new SettingsError({ setting: variable, reason }))
          )
  }
  return settings as unknown as SettingsShape
})

/** Two heartbeats may be missed. One that nobody has said follows the lease. */
const agreed = (settings: SettingsShape, isSaid: boolean): Result.Result<SettingsShape, SettingsError> => {
  const { heartbeat, lease } = settings
  const most = Duration.divideUnsafe(lease, 3)
  if (Duration.isLessThanOrEqualTo(heartbeat, most)) return Result.succeed(settings)
  if (!isSaid) return Result.succeed({ ...settings, heartbeat: most })
  const [variable] = table.heartbeat
  const reason = `${Duration.format(heartbeat)} is more than a third of ${table.lease[0]}, which is ${Duration.format(lease)}`
  return Result.fail(new SettingsError({ setting: variable, reason }))
}

/**
 * One setting, for what a handler says of itself while its module is loaded. A value that cannot be used counts as the
 * default here: the process that loads the module refuses to start for it.
 */
export const settingOf = <K extends keyof SettingsShape>(
  name: K,
  environment: Environment = process.env
): SettingsShape[K] => {
  const [variable, otherwise, read] = table[name]
  const value = environment[variable]
  return value === undefined ? otherwise : Result.getOrElse(read(value), () => otherwise)
}

export class Settings extends Context.Service<Settings, SettingsShape>()("troupe/Settings") {
  /** The settings as the environment has them; `over` is what a command's flags say instead. */
  static readonly layer = (over: Partial<SettingsShape> = {}, environment: Environment = process.env) =>
    Layer.effect(
      Settings,
      Effect.flatMap(readAll(environment), (settings) =>
        Effect.fromResult(
          agreed(
            { ...settings, ...over },
            over.heartbeat !== undefined || environment[table.heartbeat[0]] !== undefined
          )
        )
      )
    )
}
