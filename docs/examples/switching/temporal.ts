/** A workflow that compensates is a task whose activities are children; one that waits for a signal or a timer is an agent. */
import { defineAgent, defineTask, Fatal, Snooze } from "troupe"
import { z } from "zod"

// An activity: startToCloseTimeout, maximumAttempts, ApplicationFailure.nonRetryable
export const book = defineTask({
  name: "trips.book",
  input: z.object({ leg: z.string() }),
  timeout: "30 seconds",
  retry: { attempts: 3 },
  run({ leg }) {
    if (leg === "boat") throw new Fatal("there is no boat")
    return { booking: `${leg}-1` }
  }
})
export const unbook = defineTask({
  name: "trips.unbook",
  input: z.object({ booking: z.string() }),
  retry: { attempts: 100 },
  run: ({ booking }) => `${booking} is cancelled`
})

// Each run begins anew and is given what has ended, so it comes further.
export const trip = defineTask({
  name: "trips.trip",
  input: z.object({ legs: z.array(z.string()) }),
  async run({ legs }, { group }) {
    const bookings: Array<{ booking: string }> = []
    for (const leg of legs) {
      const [booked] = await group([{ task: book, input: { leg } }], { onFailure: "collect" })
      if (booked?.state === "succeeded") bookings.push(booked.output)
      else {
        await group(bookings.map((input) => ({ task: unbook, input })))
        throw new Fatal(`${leg} could not be booked`)
      }
    }
    return bookings.map(({ booking }) => booking)
  }
})

// await sleep("30 days"); what a step has fixed stays, however long that is
export const followUp = defineTask({
  name: "trips.follow-up",
  async run(_, { step }) {
    const at = await step("at", () => Date.now() + 30 * 86_400_000)
    if (Date.now() < at) throw new Snooze(at - Date.now())
    return "how was it?"
  }
})

// setHandler(approve, …), setHandler(status, …), condition(() => approved, "7 days")
export const approval = defineAgent({
  name: "trips.approval",
  state: { initial: () => ({ status: "new" }) },
  messages: { begin: {}, approve: { input: z.object({ by: z.string() }) }, expire: {} },
  handle: {
    begin(_, ctx) {
      ctx.setState({ status: "waits" })
      ctx.schedule("expire", {}, { delay: "7 days", name: "expiry" })
    },
    approve({ by }, ctx) {
      if (ctx.state.status !== "waits") return false
      ctx.unschedule("expiry")
      ctx.setState({ status: `approved by ${by}` })
      return true
    },
    expire: (_, ctx) => ctx.setState({ status: "expired" })
  }
})
