import { retentionSuite } from "../suite/retention.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

retentionSuite("memory", memoryStore)
retentionSuite("Redis", redisStore)
