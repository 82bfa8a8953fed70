// A project that has this clone, and not the package, checks these sources with its own settings.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="./cluster-key-slot.d.ts" />
/** Which node of a cluster has which hash slot, as nodes say it: decisions over plain values. */
import keySlot from "cluster-key-slot"
import type { Partition } from "../../task.ts"
import type { Listener } from "../address.ts"
import type { RedisError } from "../link.ts"

/** The slot of a partition: that of its name, which is the hash tag of all of its keys. */
export const slotOf = (partition: Partition): number => keySlot(partition)

/** A node, by where it listens: `host:port`. */
export type NodeName = string

export const nameOf = ({ host, port }: Listener): NodeName => `${host}:${port}`

export const listenerOf = (node: NodeName): Listener => {
  const colon = node.lastIndexOf(":")
  return { host: node.slice(0, colon), port: Number(node.slice(colon + 1)) }
}

/** Each slot's primary, and all of them. */
export interface Slots {
  readonly of: ReadonlyMap<number, NodeName>
  readonly nodes: ReadonlySet<NodeName>
}

const slotsIn = (of: ReadonlyMap<number, NodeName>): Slots => ({ of, nodes: new Set(of.values()) })

export const noSlots = slotsIn(new Map())

/** The same, but for one slot. */
export const withSlot = ({ of }: Slots, slot: number, node: NodeName): Slots =>
  slotsIn(new Map(of).set(slot, node))

export const isSame = (one: Slots, other: Slots): boolean =>
  one.of.size === other.of.size && [...one.of].every(([slot, node]) => other.of.get(slot) === node)

/** What `CLUSTER SLOTS` answers: ranges with their primary first, which has no host where it is who was asked. */
export type SlotsReply = ReadonlyArray<
  readonly [
    from: number,
    to: number,
    primary: readonly [host: string | null, port: number, ...rest: ReadonlyArray<unknown>]
  ]
>

export const slotsOf = (reply: SlotsReply, asked: string): Slots => {
  const of = new Map<number, NodeName>()
  for (const [from, to, [host, port]] of reply) {
    const node = nameOf({ host: host === null || host === "" ? asked : host, port })
    for (let slot = from; slot <= to; slot++) of.set(slot, node)
  }
  return slotsIn(of)
}

/** Why a node did not do what it was told. It has done nothing, so that it may be told again, or another one. */
export type Redirection =
  | { readonly kind: "moved"; readonly slot: number; readonly node: NodeName }
  /** Half of the slot is there and half of it elsewhere, or the cluster has lost one of its parts: it will pass. */
  | { readonly kind: "wait" }

/** Whether what was asked for is at another node, or on its way to one. */
export const isElsewhere = ({ message }: Error): boolean => /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /.test(message)

const moved = /^MOVED (\d+) (\S*):(\d+)/

/**
 * What an error says of where to go. An `ASK` is waited out, and never followed: scripts touch keys that they do not name, so
 * that none may run on a slot before all of it is at one place. Since none finds the one key that it names, which is
 * only a prefix, each is told so while its slot is moved.
 */
export const redirectionOf = (error: RedisError): Redirection | undefined => {
  const [, slot, host, port] = moved.exec(error.message) ?? []
  // A node without a name says nothing of where it is: it is looked for.
  if (host !== undefined && host !== "")
    return { kind: "moved", slot: Number(slot), node: nameOf({ host, port: Number(port) }) }
  return isElsewhere(error) ? { kind: "wait" } : undefined
}
