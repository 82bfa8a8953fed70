/** The library as a way in. */
import { connect, type Named, StoreError, TaskEnded, TroupeClosed } from "../../../api/client/index.ts"
import type { Ask } from "./calls.ts"
import type { Answer, Port } from "./driver.ts"
import { all, cart } from "./workload.ts"

const optionsOf = ({ delayMs, expiresMs, idempotencyKey, key }: Ask) => ({
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  ...(key === undefined ? {} : { key }),
  ...(delayMs === undefined ? {} : { delay: `${delayMs} millis` as const }),
  ...(expiresMs === undefined ? {} : { expires: `${expiresMs} millis` as const })
})

/** Of what it cannot know the outcome: nobody answered, or it is closing. */
const isUnknown = (error: unknown) => error instanceof StoreError || error instanceof TroupeClosed

const failed = (error: unknown): Answer => ({ kind: isUnknown(error) ? "unknown" : "fail" })

export const libraryPort = async (tenant: string): Promise<Port> => {
  const troupe = await connect({ handlers: all, tenant })
  return {
    submit: async (ask) => {
      try {
        const task =
          ask.agent === undefined
            ? await troupe.submit(ask.name as Named, ask.input, optionsOf(ask))
            : await troupe
                .agent(cart, ask.agent)
                .tell("note", ask.input as never, { dedupe: ask.idempotencyKey! })
        return { kind: "ok", task: task.id }
      } catch (error) {
        return failed(error)
      }
    },
    submitAll: async (asks) => {
      try {
        const settled = await troupe.submitAll(
          asks.map((ask) => ({ task: ask.name as Named, input: ask.input, ...optionsOf(ask) }))
        )
        return settled.map((one): Answer =>
          one.status === "fulfilled" ? { kind: "ok", task: one.value.id } : failed(one.reason)
        )
      } catch (error) {
        return asks.map(() => failed(error))
      }
    },
    cancel: async (task) => {
      try {
        await troupe.cancel(task)
        return { kind: "cancelled" }
      } catch (error) {
        if (!(error instanceof TaskEnded)) return failed(error)
        // Said again, it finds what the first time has done.
        return { kind: error.state === "cancelled" ? "cancelled" : "ended" }
      }
    },
    peek: async (task) => {
      try {
        await troupe.task(task)
        return { kind: "ok", task }
      } catch (error) {
        return failed(error)
      }
    },
    follow: async (task, on) => {
      for await (const event of troupe.events(task)) {
        if (event.type === "gap") on("gap")
        else if (event.type === "end") on("end")
        else if (event.type === "chunk") on(event.id, String(event.chunk))
        else if ("id" in event) on(event.id)
      }
    },
    close: () => troupe.close()
  }
}
