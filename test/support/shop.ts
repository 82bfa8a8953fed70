/**
 * The tests' shop with a worker in this process, for files that submit to it by the program. It has a namespace of its own, and
 * whoever opens it closes it.
 */
import { Duration } from "effect"
import { connect } from "../../api/client/index.ts"
import * as shop from "../api/handlers/shop.ts"
import { programIn } from "./program.ts"
import { aNamespace, redisUrl } from "./redis.ts"
import { eventually } from "./waiting.ts"

export const openShop = async () => {
  const namespace = aNamespace()
  const system = await connect({
    redisUrl,
    namespace,
    handlers: Object.values(shop),
    settings: { log: "Warn", drain: Duration.zero },
    work: true
  })
  // Until then whoever submits is told that nobody works.
  await eventually("its worker to be known", async () => (await system.workers.list())[0])
  return { system, program: programIn(namespace) }
}
