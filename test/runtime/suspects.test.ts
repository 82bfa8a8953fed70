import { suspectsSuite } from "../suite/suspects.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

suspectsSuite("memory", memoryStore)
suspectsSuite("Redis", redisStore)
