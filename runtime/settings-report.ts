/**
 * The settings as they stand, for people who look for what is wrong: each with its value, who said so, and why it cannot
 * be used. What is secret is hidden. A decision over plain values.
 */
import { Duration, Redacted, Result } from "effect"
import { type Environment, unknownSetting } from "./config.ts"
import { table } from "./setting-table.ts"

/** One variable of the environment. */
export interface SettingReport {
  readonly variable: string
  /** As text; absent where it is not set and has no default. */
  readonly value?: string
  /** Whether the environment says it, or it is the default. */
  readonly from: "environment" | "default"
  /** Why it cannot be used. */
  readonly fault?: string
}

const hidden = "(hidden)"

/** A URL without its passwords, which are all that is secret of it. */
const withoutPassword = (text: string): string => {
  if (text.startsWith("unix:")) return text
  if (!/^rediss?\+/.test(text)) {
    if (!URL.canParse(text)) return hidden
    const url = new URL(text)
    if (url.password !== "") url.password = "***"
    return url.href
  }
  // Several servers are no host that a URL may have.
  const [, scheme = "", user = "", password, rest = ""] =
    /^([a-z+]+:\/\/)(?:([^:@/?]*)(:[^@/?]*)?@)?([^@]*)$/i.exec(text) ?? []
  if (scheme === "") return hidden
  const login = user === "" && password === undefined ? "" : `${user}${password === undefined ? "" : ":***"}@`
  return `${scheme}${login}${rest.replace(/([?&](?!sentinelUsername=)[^=&]*=)[^&]*/g, "$1***")}`
}

const isSecret = (variable: string, read: unknown) =>
  Redacted.isRedacted(read) || /KEY|SECRET|PASSWORD|TOKEN/.test(variable)

/** A default as a variable would say it. None is secret. */
const textOf = (value: unknown): string | undefined => {
  if (Redacted.isRedacted(value)) return textOf(Redacted.value(value))
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined
  if (Duration.isDuration(value)) return Duration.format(value)
  if (typeof value === "object" && value !== null && "min" in value && "max" in value)
    return value.min === value.max ? String(value.min) : `${String(value.min)}..${String(value.max)}`
  if (typeof value === "object" && value !== null && "kind" in value) return String(value.kind)
  return typeof value === "string" || typeof value === "number" ? String(value).toLowerCase() : undefined
}

const shown = (variable: string, text: string, read: unknown): string => {
  if (variable === "REDIS_URL") return withoutPassword(text)
  return isSecret(variable, read) ? hidden : text
}

/** All settings in their order, then the variables that look like one and are none. */
export const reportSettings = (environment: Environment): ReadonlyArray<SettingReport> => {
  const rows = Object.values(table) as ReadonlyArray<
    readonly [variable: string, otherwise: unknown, read: (text: string) => Result.Result<unknown, string>]
  >
  const known = rows.map(([variable, otherwise, read]): SettingReport => {
    const text = environment[variable]
    if (text === undefined) {
      const value = textOf(otherwise)
      return { variable, from: "default", ...(value === undefined ? {} : { value }) }
    }
    const result = read(text)
    return Result.isSuccess(result)
      ? { variable, from: "environment", value: shown(variable, text, result.success) }
      : {
          variable,
          from: "environment",
          value: shown(variable, text, undefined),
          // A reason may repeat the value.
          fault: isSecret(variable, undefined) ? "it cannot be read" : result.failure
        }
  })
  const unknown = Object.keys(environment)
    .sort()
    .flatMap((variable): ReadonlyArray<SettingReport> => {
      const fault = unknownSetting(variable)
      return fault === undefined ? [] : [{ variable, from: "environment", value: hidden, fault }]
    })
  return [...known, ...unknown]
}
