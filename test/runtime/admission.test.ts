import { admissionSuite } from "../suite/admission.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

admissionSuite("memory", memoryStore)
admissionSuite("Redis", redisStore)
