import { earlyEndsSuite } from "../suite/early-ends.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

earlyEndsSuite("memory", memoryStore)
earlyEndsSuite("Redis", redisStore)
