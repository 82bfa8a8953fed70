/**
 * Where vectors are kept, in collections: what every kind of store does alike.
 *
 * A collection has a number of dimensions, which all its vectors have, and the model that made them, where one of ours did. Its
 * items have ids, by which writing again replaces them. Likeness is the cosine of the angle between two vectors: 1 for the same
 * direction, -1 for the opposite. Collections are of a tenant, and others do not see them.
 */
import { Context, type Effect, Schema } from "effect"
import type { Fatal, RetryAfter } from "../../runtime/handler.ts"
import type { Filter, Metadata } from "./filter.ts"

/** The store cannot answer now. Worth another try later; what was written is written. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  store: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.store}: ${this.reason}`
  }
}

/** The store does not take these items, for the sake of one of them or of all. Some may have been written. */
export class ItemsRefused extends Schema.TaggedError<ItemsRefused>()("ItemsRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export type StoreError = StoreUnavailable | Fatal | RetryAfter

export interface Collection {
  readonly name: string
  readonly dimensions: number
  /** Absent where its vectors were brought along. */
  readonly model: string | undefined
}

export interface Item {
  readonly id: string
  readonly vector: Float32Array
  readonly metadata: Metadata
}

export interface Match {
  readonly id: string
  readonly score: number
  readonly metadata: Metadata
}

export interface StoreShape {
  /** What it is called in messages. */
  readonly name: string

  /** One write holds at most so many items, and about so many bytes. */
  readonly batch: { readonly count: number; readonly bytes: number }

  /** The collection, or undefined where nothing was ever written. */
  readonly collection: (name: string) => Effect.Effect<Collection | undefined, StoreError>

  /** The collection as it is, or made so. Whoever is first says how it is. */
  readonly open: (collection: Collection) => Effect.Effect<Collection, StoreError>

  /** Writes items, each in the place of the one with its id. No two have the same. */
  readonly write: (
    collection: Collection,
    items: ReadonlyArray<Item>
  ) => Effect.Effect<void, StoreError | ItemsRefused>

  /** Does what is due when many were written. */
  readonly settle?: (collection: Collection) => Effect.Effect<void, StoreError>

  /** The most alike items that fit, the best first. */
  readonly search: (
    collection: Collection,
    vector: Float32Array,
    top: number,
    filter: Filter | undefined
  ) => Effect.Effect<ReadonlyArray<Match>, StoreError>

  /** Removes items, and says how many there were; undefined where the store does not say. */
  readonly remove: (
    collection: Collection,
    which: { readonly ids: ReadonlyArray<string> } | { readonly filter: Filter }
  ) => Effect.Effect<number | undefined, StoreError>

  /** Forgets the collection with all its items. */
  readonly drop: (collection: Collection) => Effect.Effect<number | undefined, StoreError>
}

export class VectorStore extends Context.Service<VectorStore, StoreShape>()("troupe/handlers/VectorStore") {}
