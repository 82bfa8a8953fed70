/** A crawl whose workers are killed goes on where it was. */
import { Duration } from "effect"
import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { connect } from "../../../api/client/index.ts"
import { crawlDiscover } from "../../../handlers/crawl-discover/index.ts"
import { crawlFetch } from "../../../handlers/crawl-fetch/index.ts"
import { aNamespace, redisUrl } from "../../support/redis.ts"
import { page, startSite } from "../../support/site.ts"
import { bundled, startVictim } from "../../support/victim.ts"
import { eventually } from "../../support/waiting.ts"

test("a crawl goes on after its worker was killed, and fetches no page again but the one under way", async () => {
  const namespace = aNamespace()
  const files = mkdtempSync(`${tmpdir()}/troupe-crawl-`)
  const program = await bundled(`${import.meta.dir}/worker.ts`)
  const letters = "abcdefghij".split("")
  const site = startSite((path) =>
    path === "/"
      ? page(
          "home",
          letters.map((letter) => `/${letter}/`)
        )
      : /^\/\w\/$/.test(path)
        ? page(
            path,
            letters.map((letter) => `${path}${letter}`)
          )
        : /^\/\w\/\w$/.test(path)
          ? page(path)
          : undefined
  )
  const start = () =>
    startVictim({
      program,
      env: {
        REDIS_URL: redisUrl,
        TROUPE_NAMESPACE: namespace,
        TROUPE_FILES: files,
        TROUPE_NETWORKS: "127.0.0.0/8",
        TROUPE_LEASE: "1 second",
        TROUPE_LOG: "none"
      }
    })
  const troupe = await connect({
    redisUrl,
    namespace,
    handlers: [crawlDiscover, crawlFetch],
    settings: { lease: Duration.seconds(1), log: "None" }
  })
  let worker = start()
  try {
    const crawl = await troupe.submit(crawlDiscover, { start: [`${site.origin}/`], delayMs: 0 })
    const kills = [7, 60]
    for (const count of kills) {
      await eventually(`${count} pages to be fetched`, () =>
        site.paths().length >= count ? true : undefined
      )
      worker.kill()
      await worker.exited
      worker = start()
    }
    const output = await crawl.result({ timeout: "40 seconds" })

    expect(output).toMatchObject({ fetched: 111, kept: 111, failed: 0, duplicates: 0 })
    const times = Map.groupBy(site.paths(), (path) => path)
    expect(times.size).toBe(111)
    // One page of the host at a time was under way.
    expect(site.paths().length - times.size).toBeLessThanOrEqual(kills.length)
  } finally {
    worker.kill()
    await worker.exited
    await troupe.close()
    await site.stop()
    rmSync(files, { recursive: true, force: true })
  }
}, 60_000)
