import { waitingSuite } from "../suite/waiting.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

waitingSuite("memory", memoryStore)
waitingSuite("Redis", redisStore)
