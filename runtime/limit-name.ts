/**
 * What a limit is called where it is counted: by its own name, or by `<name>@<whose>` where each of many has it for itself.
 *
 * Neither part has a sign that rings, boxes and permits are put together with.
 */
import { sha1 } from "./digest.ts"
import { tenantDefault } from "./tenant.ts"
import type { Limit } from "./terms.ts"

/** A task, as far as it tells whose limits it uses. `tenant` is absent for the tenant `default`. */
export interface Using {
  readonly key: string | undefined
  readonly tenant?: string | undefined
  /** As its handler's `run` is given it. */
  readonly input: unknown
}

const plain = /^[A-Za-z0-9_.-]{1,63}$/

/** How many digits of a digest stand for what cannot be read in a name. */
const digestDigits = 24

const readable = (whose: string) => (plain.test(whose) ? whose : `~${sha1(whose).slice(0, digestDigits)}`)

const whose = ({ each, name }: Limit, { input, key, tenant = tenantDefault }: Using): string | undefined => {
  if (each === undefined) return undefined
  if (each === "tenant") return tenant
  // Tasks without a key are one, and no key is called so.
  if (each === "key") return `${tenant}/${key === undefined ? "" : readable(key)}`
  const said: unknown = each(input)
  if (typeof said !== "string" || said === "")
    throw new TypeError(`limit ${name}: each gave ${JSON.stringify(said)} for this input, and no text`)
  return readable(said)
}

/** What a task's use of a limit is counted under. Throws `TypeError` where `each` gives no text for the input. */
export const countedAs = (limit: Limit, task: Using): string => {
  const own = whose(limit, task)
  return own === undefined ? limit.name : `${limit.name}@${own}`
}

/** The limit that is counted under a name. */
export const limitIn = (counted: string): string => counted.split("@", 1)[0]!
