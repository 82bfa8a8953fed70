/**
 * What a key may do: each route asks for one scope, and a role is a set of scopes. Decisions over plain values.
 */
import { Schema } from "effect"

/** What routes ask for, from the least to the most. */
export const scopes = ["follow", "submit", "read", "operate", "admin"] as const

/**
 * `follow`: one task by its id, its input, result and events, and files. `submit`: submit and cancel tasks, upload files,
 * send messages to agents. `read`: lists, searches, totals. `operate`: retry, pause, purge, schedules. `admin`: keys
 * and the audit log.
 */
export type Scope = (typeof scopes)[number]

export const Role = Schema.Literals(["submit", "read", "operate", "admin"])
export type Role = typeof Role.Type

const scopesOf: { readonly [role in Role]: ReadonlySet<Scope> } = {
  submit: new Set(["follow", "submit"]),
  read: new Set(["follow", "read"]),
  operate: new Set(["follow", "submit", "read", "operate"]),
  admin: new Set(scopes)
}

export const mayUse = (role: Role, scope: Scope): boolean => scopesOf[role].has(scope)

/** The roles that may use what asks for a scope, from the least to the most. */
export const rolesFor = (scope: Scope): ReadonlyArray<Role> =>
  Role.literals.filter((role) => mayUse(role, scope))
