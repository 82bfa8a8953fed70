import { agentsSuite } from "../suite/agents.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

agentsSuite("memory", memoryStore)
agentsSuite("Redis", redisStore)
