/** A Sidekiq batch, an iterable job and a server middleware as handlers of Troupe: invoices are made, page by page. */
import { defineTask, type TaskContext } from "troupe"
import { z } from "zod"

/** The app's own code; a page of accounts begins after `after`. */
export const app = {
  accounts: (after: number) => [1, 2, 3].map((n) => after + n).filter((n) => n <= 8),
  invoice: (account: number) => `invoice ${account}`
}

/** What server middleware has timed: a middleware is a function around `run`. */
export const timings: Array<string> = []
const timed =
  <Input, Output>(run: (input: Input, ctx: TaskContext) => Output | Promise<Output>) =>
  async (input: Input, ctx: TaskContext): Promise<Output> => {
    const began = performance.now()
    try {
      return await run(input, ctx)
    } finally {
      timings.push(`${ctx.task.name} ${Math.round(performance.now() - began)} ms`)
    }
  }

// sidekiq_options queue: "billing", retry: 25; Sidekiq's own curve of about three weeks
export const invoice = defineTask({
  name: "billing.invoice",
  queue: "billing",
  input: z.object({ account: z.int() }),
  retry: { attempts: 26, backoff: (failed) => ((failed - 1) ** 4 + 15) * 1_000 },
  run: timed(({ account }: { account: number }) => app.invoice(account))
})

// include Sidekiq::IterableJob; batch.jobs { … }; batch.on(:complete, …)
export const month = defineTask({
  name: "billing.month",
  queue: "billing",
  input: z.object({ month: z.string() }),
  async run(_, { all, step, submit }) {
    const invoices = []
    const read = (after: number) => step("page", () => app.accounts(after)) // once, whatever dies
    for (let page = await read(0); page.length > 0; page = await read(page.at(-1)!))
      invoices.push(...(await Promise.all(page.map((account) => submit(invoice, { account })))))
    const outcomes = await all(invoices, { onFailure: "collect" }) // from here on: the callback
    return outcomes.filter(({ state }) => state === "succeeded").length
  }
})
