import { operationsSuite } from "../suite/operations.ts"
import { memoryOperations, redisOperations } from "../support/operations.ts"

operationsSuite("memory", memoryOperations)
operationsSuite("Redis", redisOperations)
