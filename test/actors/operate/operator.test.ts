import { memoryApi, redisApi } from "../../support/api.ts"
import { operatorSuite } from "../../suite/operator.ts"

operatorSuite("memory", memoryApi)
operatorSuite("Redis", redisApi)
