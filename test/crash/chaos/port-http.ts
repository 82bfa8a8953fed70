/** HTTP as a way in, with nothing but what a stranger would use. */
import { Frames } from "../../support/sse.ts"
import type { Ask } from "./calls.ts"
import type { Answer, Port } from "./driver.ts"

/** How long an answer is waited for, in milliseconds; and how long for the next byte of a stream. */
const answerMaxMs = 20_000
const silenceMaxMs = 10_000

/** How long a follower waits before it comes back, and how often it does without having got any further. */
const returnMs = 100
const returnsMax = 300

/** Refusals that say nothing of the task: nobody knows whether it was stored. */
const unclear = ["store-unavailable", "internal", "internal-error"]

const bodyOf = ({ agent, delayMs, expiresMs, idempotencyKey, input, key, message, name }: Ask) =>
  agent === undefined
    ? { name, input, idempotencyKey, key, delayMs, expiresMs }
    : { message, input, dedupe: idempotencyKey }

const pathOf = ({ agent, name }: Ask) =>
  agent === undefined ? "/v1/tasks" : `/v1/agents/${name}/${encodeURIComponent(agent)}/tell`

interface Body {
  readonly id?: string
  readonly type?: string
  readonly state?: string
  readonly tasks?: ReadonlyArray<{ readonly id?: string; readonly problem?: { readonly type: string } }>
}

const refusal = (status: number, type: string | undefined): Answer => ({
  kind: status >= 500 && (type === undefined || unclear.includes(type)) ? "unknown" : "fail"
})

export const httpPort = (url: string, key: string | undefined, isSlow: (task: string) => boolean): Port => {
  const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const ask = async (way: string, body?: object): Promise<{ status: number; body: Body }> => {
    const response = await fetch(`${url}${way}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...authorization, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(answerMaxMs)
    })
    return { status: response.status, body: (await response.json()) as Body }
  }

  /** Reads a stream until it ends or breaks off; says whether its last word was said. */
  const read = async (
    task: string,
    last: string | undefined,
    on: (id: string | undefined, event: string, data: { readonly chunk?: unknown }) => void
  ) => {
    const controller = new AbortController()
    let timer = setTimeout(() => controller.abort(), answerMaxMs)
    try {
      const response = await fetch(`${url}/v1/tasks/${task}/events`, {
        headers: { ...authorization, ...(last === undefined ? {} : { "last-event-id": last }) },
        signal: controller.signal
      })
      if (!response.ok || response.body === null) return
      const frames = new Frames()
      const decoder = new TextDecoder()
      for await (const piece of response.body) {
        clearTimeout(timer)
        timer = setTimeout(() => controller.abort(), silenceMaxMs)
        for (const { data, event, id } of frames.push(decoder.decode(piece, { stream: true })))
          if (event !== undefined) on(id, event, data ?? {})
        if (isSlow(task)) await Bun.sleep(returnMs)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    submit: async (one) => {
      try {
        const { body, status } = await ask(pathOf(one), bodyOf(one))
        return status < 300 ? { kind: "ok", task: body.id! } : refusal(status, body.type)
      } catch {
        return { kind: "unknown" }
      }
    },
    submitAll: async (asks) => {
      try {
        const { body, status } = await ask("/v1/tasks/batch", { tasks: asks.map(bodyOf) })
        if (status >= 300) return asks.map(() => refusal(status, body.type))
        return body.tasks!.map(({ id }): Answer =>
          id === undefined ? { kind: "fail" } : { kind: "ok", task: id }
        )
      } catch {
        return asks.map(() => ({ kind: "unknown" }))
      }
    },
    cancel: async (task) => {
      try {
        const { body, status } = await ask(`/v1/tasks/${task}/cancel`, {})
        if (status < 300) return { kind: "cancelled" }
        if (status !== 409) return refusal(status, body.type)
        const record = await ask(`/v1/tasks/${task}`)
        return { kind: record.body.state === "cancelled" ? "cancelled" : "ended" }
      } catch {
        return { kind: "unknown" }
      }
    },
    peek: async (task) => {
      try {
        const { body, status } = await ask(`/v1/tasks/${task}`)
        return status < 300 ? { kind: "ok", task } : refusal(status, body.type)
      } catch {
        return { kind: "unknown" }
      }
    },
    follow: async (task, on) => {
      let last: string | undefined
      let isOver = false
      for (let returns = 0; !isOver && returns < returnsMax; returns++) {
        await read(task, last, (id, event, { chunk }) => {
          if (id !== undefined) last = id
          if (event === "end") {
            isOver = true
            on("end")
          } else if (event === "gap") on("gap")
          else if (id !== undefined) on(id, event === "chunk" ? String(chunk) : undefined)
        }).catch(() => {})
        if (!isOver) await Bun.sleep(returnMs)
      }
    },
    close: async () => {}
  }
}
