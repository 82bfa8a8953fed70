/** An agent's state on its way between the store and its handlers: decisions over plain values. */
import { Result } from "effect"
import type { StoredAgent } from "../../runtime/agents.ts"
import { ActRefused } from "../../runtime/current-agent.ts"
import { Fatal, type StateSpec } from "../../runtime/handler.ts"
import { Snooze } from "../../runtime/verdict.ts"

/** The largest state, in characters of JSON. */
export const stateMax = 1024 * 1024

/** How soon a worker is asked again that is too old for a state. */
const newerAgainMs = 1_000

const unreadable = (address: string, reason: string) =>
  new Fatal(`the state of ${address} cannot be read: ${reason}`, { type: "StateUnreadable" })

/**
 * The state as handlers see it: read, migrated, or the first one. Throws `Fatal` for one that does not fit, and `Snooze` for
 * one of a later version, which another worker may know while a new version is being rolled out.
 */
export const readState = async (
  { initial, migrate, read, version, write }: StateSpec,
  { address, key }: { readonly address: string; readonly key: string },
  stored: StoredAgent["state"]
): Promise<unknown> => {
  if (stored === undefined) return initial(key)
  if (stored.version > version) throw new Snooze(newerAgainMs)
  const json: unknown = JSON.parse(stored.json)
  if (stored.version === version) {
    const fits = await read(json)
    if (Result.isFailure(fits)) throw unreadable(address, fits.failure.message)
    return fits.success
  }
  if (migrate === undefined) {
    throw unreadable(address, `it is of version ${stored.version}, and there is no migrate to ${version}`)
  }
  const migrated = migrate(json, stored.version)
  const fits = await write(migrated)
  if (Result.isFailure(fits))
    throw unreadable(address, `what migrate gave does not fit: ${fits.failure.message}`)
  return migrated
}

/** The state as it is stored. Throws `ActRefused`. */
export const writeState = (
  { version, write }: StateSpec,
  address: string,
  state: unknown
): NonNullable<StoredAgent["state"]> => {
  const refuse = (reason: string) => new ActRefused({ agent: address, reason: `setState: ${reason}` })
  const fits = write(state)
  if (fits instanceof Promise) throw refuse("the schema of a state cannot be async")
  if (Result.isFailure(fits)) throw refuse(fits.failure.message)
  let json: string | undefined
  try {
    json = JSON.stringify(fits.success)
  } catch (thrown) {
    throw refuse(thrown instanceof Error ? thrown.message : String(thrown))
  }
  if (json === undefined) throw refuse("it is no JSON")
  if (json.length > stateMax)
    throw refuse(`it has ${json.length} characters of JSON; at most ${stateMax} are stored`)
  return { json, version }
}
