/** A worker that holds conversations until it is killed. */
import { connect } from "../../../../api/client/index.ts"
import { agentChat } from "../../../../handlers/agent-chat/index.ts"

await connect({ handlers: [agentChat], work: true })
await new Promise(() => {})
