/**
 * Listening to what becomes of all tasks, as a caller hears of it. An event's id says where each queue stands, and most of
 * them may be others': for another tenant than `default` it is sealed, as its cursors are.
 */
import { Effect, Result, Stream } from "effect"
import {
  Lifecycle,
  type LifecycleFilter,
  type LifecycleNews,
  LifecyclePositionInvalid
} from "../../actors/follow/lifecycle.ts"
import { Access } from "../../runtime/access.ts"
import type { StoreError } from "../../runtime/store.ts"
import { Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { openCursor, sealCursor } from "./cursors.ts"

type News = Stream.Stream<LifecycleNews, LifecyclePositionInvalid | StoreError>

/** No cursor of a list is one of events. */
const sealedFor = (tenant: string) => `${tenant} events`

/** What becomes of all tasks, for the fiber's `Tenant`, from now on or from the id of an event on. */
export const listen = Effect.fnUntraced(function* (
  filter: LifecycleFilter,
  after: string | undefined
): Effect.fn.Return<News, LifecyclePositionInvalid | StoreError, Lifecycle | Access> {
  const { follow } = yield* Lifecycle
  const tenant = yield* Tenant
  if (tenant === tenantDefault) return follow(filter, after)
  const { salt } = yield* Access.use((access) => access.find("none"))
  const whose = sealedFor(tenant)
  const opened = after === undefined ? undefined : openCursor(after, whose, salt)
  if (opened !== undefined && Result.isFailure(opened))
    return yield* new LifecyclePositionInvalid({ text: after! })
  return Stream.map(follow(filter, opened?.success), (news) => ({
    ...news,
    id: sealCursor(news.id, whose, salt)
  }))
})
