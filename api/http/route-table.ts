/** Every route there is, in the order of the document that is made of it. */
import type { ErrorTag, Row } from "./row.ts"
import { rows as agents } from "./routes/agents.ts"
import { rows as audit } from "./routes/audit.ts"
import { rows as batch } from "./routes/batch.ts"
import { rows as caller } from "./routes/caller.ts"
import { rows as dashboard } from "./routes/dashboard.ts"
import { rows as dead } from "./routes/dead.ts"
import { rows as documents } from "./routes/documents.ts"
import { rows as events } from "./routes/events.ts"
import { rows as files } from "./routes/files.ts"
import { rows as health } from "./routes/health.ts"
import { rows as lifecycle } from "./routes/lifecycle.ts"
import { rows as metrics } from "./routes/metrics.ts"
import { rows as keys } from "./routes/keys.ts"
import { rows as nodes } from "./routes/nodes.ts"
import { rows as query } from "./routes/query.ts"
import { rows as queues } from "./routes/queues.ts"
import { rows as schedules } from "./routes/schedules.ts"
import { rows as socket } from "./routes/socket.ts"
import { rows as stats } from "./routes/stats.ts"
import { rows as tasks } from "./routes/tasks.ts"
import { rows as tickets } from "./routes/tickets.ts"
import { rows as workers } from "./routes/workers.ts"

/** The rows of one file of routes; each is narrower than what is read here. */
const all = (rows: Readonly<Record<string, unknown>>) => Object.values(rows) as ReadonlyArray<Row<ErrorTag>>

export const routeTable: ReadonlyArray<Row<ErrorTag>> = [
  tasks,
  query,
  batch,
  events,
  lifecycle,
  socket,
  dead,
  queues,
  workers,
  nodes,
  schedules,
  agents,
  stats,
  files,
  caller,
  keys,
  tickets,
  audit,
  health,
  metrics,
  documents,
  dashboard
].flatMap(all)
