/** A worker process of the crash tests: it serves until it is told to stop, and then drains. */
import { connect } from "../../../api/client/index.ts"
import { all, queues } from "./workload.ts"

const troupe = await connect({ handlers: all, work: { queues } })
process.on("SIGTERM", () => void troupe.close().then(() => process.exit(0)))
