import { handoverSuite } from "../suite/handover.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

handoverSuite("memory", memoryStore)
handoverSuite("Redis", redisStore)
