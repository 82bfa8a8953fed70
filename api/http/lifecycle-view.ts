/** A lifecycle event as JSON: its time in ISO 8601. */
import type { LifecycleEvent } from "../../actors/follow/lifecycle.ts"

export const lifecycleJson = ({ at, ...event }: LifecycleEvent) => ({
  ...event,
  at: new Date(at).toISOString()
})
