import { reschedulingSuite } from "../suite/rescheduling.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

reschedulingSuite("memory", memoryStore)
reschedulingSuite("Redis", redisStore)
