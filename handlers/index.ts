/**
 * The handlers that come along, from code: `import { documentProcess } from "troupe/handlers"`.
 *
 * Whoever submits to one by its definition has its types. The program `troupe` loads all that is exported here, so that each
 * of its workers can run them.
 */
export { agentBatch } from "./agent-batch/index.ts"
export { agentChat } from "./agent-chat/index.ts"
export { agentQuery } from "./agent-query/index.ts"
export { agentsCreate } from "./agents-create/index.ts"
export { analyticsAggregate } from "./analytics-aggregate/index.ts"
export { crawlDiscover } from "./crawl-discover/index.ts"
export { crawlFetch } from "./crawl-fetch/index.ts"
export { documentProcess } from "./document-process/index.ts"
export { documentsFolder } from "./documents-folder/index.ts"
export { embeddingsGenerate } from "./embeddings-generate/index.ts"
export { httpRequest } from "./http-request/index.ts"
export { profileEnrich } from "./profile-enrich/index.ts"
export { reportUsage } from "./report-usage/index.ts"
export { shellRun } from "./shell-run/index.ts"
export { textKeywords } from "./text-keywords/index.ts"
export { vectorsDelete } from "./vectors-delete/index.ts"
export { vectorsSearch } from "./vectors-search/index.ts"
export { vectorsUpsert } from "./vectors-upsert/index.ts"
