/** Which agents are asked for, and where an earlier page ended: decisions over plain values. */
import { Result, Schema } from "effect"
import type { AgentAddress } from "../../runtime/mailbox.ts"
import { QueueName } from "../../runtime/task.ts"
import { Key } from "../dispatch/new-task.ts"
import { type QueryRefused, reader, refuseField } from "./fields.ts"

/** How many agents one page holds at most, and when nobody says. */
const pageMax = 100
export const agentsPageDefault = 50

/** Which agents: those that fit all that is said. A page has up to 100 of them. */
export const AgentQuery = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.Literals(["idle", "busy", "quarantined"])),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))),
  cursor: Schema.optionalKey(Schema.String)
})
export type AgentQuery = typeof AgentQuery.Type
export const readAgentQuery = reader(AgentQuery)

export const readAgentKey = reader(Schema.Struct({ key: Key }))

/** Where a list stands: it goes through the names, each of them through its queues, each of these through the addresses. */
export interface AgentPlace {
  readonly queue: string
  readonly address: AgentAddress
}

/** The name in an address, without a tenant's; a handler's has no slash and no `@`. */
export const nameInAddress = (address: AgentAddress): string =>
  address.slice(0, address.indexOf("/")).replace(/@.*$/, "")

export const keyInAddress = (address: AgentAddress): string => address.slice(address.indexOf("/") + 1)

/** Of letters that need no care, on a command line or in an address. */
export const agentCursor = ({ address, queue }: AgentPlace): string =>
  Buffer.from(`${queue}\n${address}`).toString("base64url")

export const readAgentCursor = (text: string): Result.Result<AgentPlace, QueryRefused> => {
  const [, queue, address] =
    /^([^\n]*)\n([^/\n]+\/.+)$/s.exec(Buffer.from(text, "base64url").toString()) ?? []
  return address !== undefined && Schema.is(QueueName)(queue)
    ? Result.succeed({ queue, address })
    : Result.fail(refuseField("cursor", "not the `next` of a page"))
}

interface Home {
  readonly name: string
  readonly queue: string
}

const isBefore = (one: Home, other: Home) =>
  one.name < other.name || (one.name === other.name && one.queue < other.queue)

/** The homes that a list still has to go through, in its order; in the first one it may have to go on after an address. */
export const homesFrom = <H extends Home>(
  homes: ReadonlyArray<H>,
  place: AgentPlace | undefined
): ReadonlyArray<{ readonly home: H; readonly after: AgentAddress | undefined }> => {
  const at = place === undefined ? undefined : { name: nameInAddress(place.address), queue: place.queue }
  return homes
    .filter((home) => at === undefined || !isBefore(home, at))
    .toSorted((one, other) => (isBefore(one, other) ? -1 : 1))
    .map((home) => {
      const isThere = at !== undefined && home.name === at.name && home.queue === at.queue
      return { home, after: isThere ? place?.address : undefined }
    })
}
