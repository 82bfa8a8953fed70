/** A lifecycle event as JSON: its times in ISO 8601. */
import type { LifecycleEvent } from "../../actors/follow/lifecycle.ts"

export const lifecycleJson = ({ at, dueAt, ...event }: LifecycleEvent) => ({
  ...event,
  at: new Date(at).toISOString(),
  ...(dueAt === undefined ? {} : { dueAt: new Date(dueAt).toISOString() })
})
