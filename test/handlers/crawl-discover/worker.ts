/** A worker process for crawls: it serves until it is killed. */
import { connect } from "../../../api/client/index.ts"
import { crawlDiscover } from "../../../handlers/crawl-discover/index.ts"
import { crawlFetch } from "../../../handlers/crawl-fetch/index.ts"

await connect({
  handlers: [crawlDiscover, crawlFetch],
  work: { queues: { crawl: 8 } }
})
