/**
 * Which variables of the environment handlers may send where, in the name of a task that only says the variable's name.
 *
 * A rule is `VARIABLE@host`, for tasks of the tenant `default`; `tenant=VARIABLE@host` for those of another one, and
 * `*=VARIABLE@host` for everybody's. So a task can neither read another variable, nor send one to a host of its choice.
 */
import { Result, Schema } from "effect"
import { hostMatches, isHostPattern } from "./network/hosts.ts"
import { TenantName, tenantDefault } from "./tenant.ts"

export interface SecretRule {
  /** `*` for every tenant. */
  readonly tenant: string
  readonly variable: string
  /** A name, or `*.` and a name. */
  readonly host: string
}

const isTenant = Schema.is(TenantName)

const ruleOf = (text: string): SecretRule | undefined => {
  const [, tenant = tenantDefault, variable = "", host = ""] =
    /^(?:([^=@]+)=)?([A-Za-z_][A-Za-z0-9_]{0,127})@(.+)$/.exec(text) ?? []
  return variable !== "" && (tenant === "*" || isTenant(tenant)) && isHostPattern(host.toLowerCase())
    ? { tenant, variable, host: host.toLowerCase() }
    : undefined
}

/** Rules as the setting has them, with commas between them. */
export const readSecretRules = (value: string): Result.Result<ReadonlyArray<SecretRule>, string> => {
  const parts = value.split(",").map((part) => part.trim())
  const rules = parts.flatMap((part) => ruleOf(part) ?? [])
  return rules.length === parts.length
    ? Result.succeed(rules)
    : // A value that was put in place of a name must not be in the message.
      Result.fail("is not VARIABLE@host, or tenant=VARIABLE@host, with commas between them")
}

/** Whether a task of a tenant may have a variable sent to a host. */
export const maySend = (
  rules: ReadonlyArray<SecretRule>,
  tenant: string,
  variable: string,
  host: string
): boolean =>
  rules.some(
    (rule) =>
      rule.variable === variable &&
      (rule.tenant === "*" || rule.tenant === tenant) &&
      hostMatches(rule.host, host)
  )
