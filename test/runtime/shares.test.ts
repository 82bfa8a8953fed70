import { sharesSuite } from "../suite/shares.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

sharesSuite("memory", memoryStore)
sharesSuite("Redis", redisStore)
