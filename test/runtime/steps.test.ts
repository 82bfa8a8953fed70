import { stepsSuite } from "../suite/steps.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

stepsSuite("memory", memoryStore)
stepsSuite("Redis", redisStore)
