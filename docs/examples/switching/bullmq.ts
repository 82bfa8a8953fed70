/** A BullMQ worker and a flow as handlers of Troupe: pages are fetched within a rate, and a report is made of them. */
import { defineTask, Fatal, Snooze, type Troupe } from "troupe"
import { z } from "zod"

// new Worker("pages", processor, { limiter: { max: 10, duration: 1000 } })
export const fetchPage = defineTask({
  name: "pages.fetch",
  queue: "pages",
  input: z.object({ url: z.url() }),
  timeout: "30 seconds",
  retry: { attempts: 5, backoff: { base: "1 second" } },
  limits: [{ key: "pages", rate: 10, per: "1 second" }],
  async run({ url }, { progress, signal }) {
    const response = await fetch(url, { signal })
    if (response.status === 404) throw new Fatal("there is no such page") // UnrecoverableError
    if (response.status === 202) throw new Snooze("1 second") // job.moveToDelayed, DelayedError
    if (!response.ok) throw new Error(`status ${response.status}`)
    await progress(0.5, "fetched") // job.updateProgress
    return { words: (await response.text()).split(/\s+/).length }
  }
})

// new FlowProducer().add({ name: "report", children: […] }): here the parent submits them itself.
export const report = defineTask({
  name: "pages.report",
  input: z.object({ urls: z.array(z.url()) }),
  async run({ urls }, { group }) {
    const pages = urls.map((url) => ({ task: fetchPage, input: { url } }))
    const outcomes = await group(pages, { onFailure: "collect" }) // getChildrenValues, ignoreDependencyOnFailure
    const words = outcomes.map((page) => (page.state === "succeeded" ? page.output.words : 0))
    return { pages: words.length, words: words.reduce((sum, some) => sum + some, 0) }
  }
})

// queue.add("report", { urls }, { jobId: `report-${day}`, priority: 1 }), job.waitUntilFinished(queueEvents)
export const reportOf = async (troupe: Troupe, day: string, urls: ReadonlyArray<string>) => {
  const task = await troupe.submit(
    report,
    { urls: [...urls] },
    { idempotencyKey: `report-${day}`, priority: "high", tags: [day] }
  )
  return task.result({ timeout: "1 minute" })
}
