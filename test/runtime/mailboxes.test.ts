import { mailboxesSuite } from "../suite/mailboxes.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

mailboxesSuite("memory", memoryStore)
mailboxesSuite("Redis", redisStore)
