/** Everything that is stored in Redis, over one connection. */
import { Layer } from "effect"
import * as Scripted from "./scripted.ts"
import { buildScripts, type Scripts } from "./scripts.ts"
import * as Store from "./store.ts"

/** At `Settings.redisUrl`. Fails with `RedisUnusable` when there is none that can be trusted. */
export const layer = (scripts: Scripts = buildScripts()) =>
  Store.layer.pipe(Layer.provide(Scripted.layer(scripts)))
