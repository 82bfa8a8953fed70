/** Whatever a store promises it promises with every payload sealed, too. */
import { Result } from "effect"
import { randomBytes } from "node:crypto"
import type { SettingsShape } from "../../../runtime/config.ts"
import { readKeyRing } from "../../../runtime/encryption/key-ring.ts"
import { agentsSuite } from "../../suite/agents.ts"
import { earlyEndsSuite } from "../../suite/early-ends.ts"
import { handoverSuite } from "../../suite/handover.ts"
import { reschedulingSuite } from "../../suite/rescheduling.ts"
import { sharesSuite } from "../../suite/shares.ts"
import { stepsSuite } from "../../suite/steps.ts"
import { lifecycleSuite } from "../../suite/lifecycle.ts"
import { storeSuite } from "../../suite/store.ts"
import { waitingSuite } from "../../suite/waiting.ts"
import { redisStore } from "../../support/stores.ts"

const encryptionKeys = Result.getOrThrow(readKeyRing(`a:${randomBytes(32).toString("base64")}`))
const sealed = (over: Partial<SettingsShape> = {}) => redisStore({ encryptionKeys, ...over })

storeSuite("Redis, sealed", sealed)
stepsSuite("Redis, sealed", sealed)
agentsSuite("Redis, sealed", sealed)
earlyEndsSuite("Redis, sealed", sealed)
waitingSuite("Redis, sealed", sealed)
handoverSuite("Redis, sealed", sealed)
lifecycleSuite("Redis, sealed", sealed)
reschedulingSuite("Redis, sealed", sealed)
sharesSuite("Redis, sealed", sealed)
