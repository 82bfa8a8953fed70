/** A worker of the handlers that ask models, until it is killed. */
import { connect } from "../../../api/client/index.ts"
import { agentBatch, agentBatchPart } from "../../../handlers/agent-batch/index.ts"
import { agentChat } from "../../../handlers/agent-chat/index.ts"
import { agentQuery } from "../../../handlers/agent-query/index.ts"

await connect({ handlers: [agentChat, agentBatch, agentBatchPart, agentQuery], work: true })
await new Promise(() => {})
