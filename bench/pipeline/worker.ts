/**
 * A worker of the bench of the pipeline, with the handlers that come with the product.
 *
 *     bun bench/pipeline/worker.ts REDIS_URL FILES FOLDERS
 *
 * It says `ready`, tells the CPU that it has used when it is asked, and ends with its channel.
 */
import { connect } from "troupe"
import { documentProcess } from "../../handlers/document-process/index.ts"
import { documentsFolder, documentsPart } from "../../handlers/documents-folder/index.ts"
import { embeddingsGenerate } from "../../handlers/embeddings-generate/index.ts"
import { textKeywords } from "../../handlers/text-keywords/index.ts"
import { vectorsDelete } from "../../handlers/vectors-delete/index.ts"
import { vectorsUpsert } from "../../handlers/vectors-upsert/index.ts"

const [redisUrl = "", files = "", folders = ""] = process.argv.slice(2)

const troupe = await connect({
  redisUrl,
  handlers: [
    ...[documentsFolder, documentsPart, documentProcess, textKeywords],
    ...[embeddingsGenerate, vectorsUpsert, vectorsDelete]
  ],
  settings: { files, folders: folders.split(":"), log: "Error" }
})
await troupe.work({ queues: { documents: 8, embeddings: 8, vectors: 8 } })

process.on("message", () => {
  const { system, user } = process.cpuUsage()
  process.send?.({ cpuMicros: user + system })
})
process.on("disconnect", () => process.exit(0))
process.send?.({ ready: true })
