import { schedulerSuite } from "../../suite/scheduler.ts"
import { memorySchedules, redisSchedules } from "../../support/schedules.ts"

const seeds = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

schedulerSuite("memory", memorySchedules, seeds(40))
schedulerSuite("Redis", redisSchedules, seeds(10))
