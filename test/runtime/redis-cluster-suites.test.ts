/** What every store promises, held on a Redis Cluster, where partitions lie on different nodes. */
import { admissionSuite } from "../suite/admission.ts"
import { agentsSuite } from "../suite/agents.ts"
import { earlyEndsSuite } from "../suite/early-ends.ts"
import { handoverSuite } from "../suite/handover.ts"
import { lifecycleSuite } from "../suite/lifecycle.ts"
import { limitsSuite } from "../suite/limits.ts"
import { mailboxesSuite } from "../suite/mailboxes.ts"
import { operationsSuite } from "../suite/operations.ts"
import { operatorSuite } from "../suite/operator.ts"
import { reschedulingSuite } from "../suite/rescheduling.ts"
import { retentionSuite } from "../suite/retention.ts"
import { schedulerSuite } from "../suite/scheduler.ts"
import { schedulesSuite } from "../suite/schedules.ts"
import { sharesSuite } from "../suite/shares.ts"
import { stepsSuite } from "../suite/steps.ts"
import { storeSuite } from "../suite/store.ts"
import { suspectsSuite } from "../suite/suspects.ts"
import { waitingSuite } from "../suite/waiting.ts"
import {
  clusterApi,
  clusterLimits,
  clusterOperations,
  clusterSchedules,
  clusterStore
} from "../support/cluster-stores.ts"

const name = "a Redis Cluster"

storeSuite(name, clusterStore)
admissionSuite(name, clusterStore)
agentsSuite(name, clusterStore)
earlyEndsSuite(name, clusterStore)
handoverSuite(name, clusterStore)
lifecycleSuite(name, clusterStore)
mailboxesSuite(name, clusterStore)
reschedulingSuite(name, clusterStore)
retentionSuite(name, clusterStore)
sharesSuite(name, clusterStore)
stepsSuite(name, clusterStore)
suspectsSuite(name, clusterStore)
waitingSuite(name, clusterStore)
limitsSuite(name, () => clusterLimits())
operationsSuite(name, clusterOperations)
schedulesSuite(name, clusterSchedules)
schedulerSuite(name, clusterSchedules, [1, 2])
operatorSuite(name, clusterApi)
