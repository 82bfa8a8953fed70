import { storeSuite } from "../suite/store.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

storeSuite("memory", memoryStore)
storeSuite("Redis", redisStore)
