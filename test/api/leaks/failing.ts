/** Handlers that fail in every way there is, and say a secret of their input each time. */
import { defineAgent, defineTask, Fatal, RetryAfter } from "troupe"
import { z } from "zod"

const input = z.object({ secret: z.string().startsWith("canary") })

/** What somebody else's code throws quotes what it was given. */
const quoting = (secret: string) =>
  new Error(`cannot use ${secret}`, { cause: new Error(`because of ${secret}`) })

export const throws = defineTask({
  name: "leak.throws",
  input,
  retry: { attempts: 2, backoff: { base: "1 milli", jitter: false } },
  run: ({ secret }) => {
    throw quoting(secret)
  }
})

export const fatal = defineTask({
  name: "leak.fatal",
  input,
  run: ({ secret }) => {
    throw new Fatal(secret)
  }
})

export const later = defineTask({
  name: "leak.later",
  input,
  run: ({ secret }, { attempt }) => {
    if (attempt === 1) throw new RetryAfter("10 millis", { message: secret })
    return secret
  }
})

export const unhandled = defineTask({
  name: "leak.unhandled",
  input,
  run: ({ secret }) => {
    void Promise.reject(quoting(secret))
    return null
  }
})

export const misfit = defineTask({
  name: "leak.misfit",
  input,
  output: z.object({ number: z.number() }),
  run: ({ secret }) => ({ number: secret }) as never
})

export const noJson = defineTask({
  name: "leak.no-json",
  input,
  run: ({ secret }) => ({ secret, big: 1n })
})

export const slow = defineTask({
  name: "leak.slow",
  input,
  timeout: "50 millis",
  retry: { attempts: 1 },
  run: ({ secret }, { emit, signal }) =>
    new Promise<never>((_, reject) => {
      void emit(secret)
      signal.addEventListener("abort", () => reject(quoting(secret)))
    })
})

export const steps = defineTask({
  name: "leak.steps",
  input,
  retry: { attempts: 1 },
  run: ({ secret }, ctx) =>
    ctx.step("fails", () => {
      throw quoting(secret)
    })
})

export const exits = defineTask({
  name: "leak.exits",
  input,
  retry: { attempts: 1 },
  run: ({ secret }) => {
    setTimeout(() => {
      throw quoting(secret)
    })
    return secret
  }
})

export const agent = defineAgent({
  name: "leak.agent",
  state: { initial: () => ({ secret: "" }) },
  retry: { attempts: 1 },
  messages: { fail: { input } },
  handle: {
    async fail({ secret }, ctx) {
      ctx.setState({ secret })
      throw quoting(secret)
    }
  }
})
