/** Everything that is stored in Redis, over one connection. */
import { Layer } from "effect"
import { sealing } from "../encryption/stores.ts"
import * as Access from "./access.ts"
import * as Admission from "./admission.ts"
import * as Agents from "./agents.ts"
import * as Lifecycle from "./lifecycle.ts"
import * as Limits from "./limits.ts"
import * as Members from "./members.ts"
import * as Operations from "./operations.ts"
import * as Schedules from "./schedules.ts"
import * as Scripted from "./scripted.ts"
import { buildScripts, type Scripts } from "./scripts.ts"
import * as Steps from "./steps.ts"
import * as Store from "./store.ts"

const operations = Layer.provide(Operations.layer, Store.layer)

/** At `Settings.redisUrl`. Fails with `RedisUnusable` when there is none that can be trusted. */
export const layer = (scripts: Scripts = buildScripts()) => sealing(plain(scripts))

const plain = (scripts: Scripts) =>
  Layer.mergeAll(
    Store.layer,
    Steps.layer,
    Access.layer,
    Admission.layer,
    Agents.layer,
    Lifecycle.layer,
    Limits.layer,
    Members.layer,
    Schedules.layer,
    operations
  ).pipe(Layer.provide(Scripted.layer(scripts)))
