/**
 * A process of a bench: one system, connected, that does what it is told over its channel.
 *
 *     bun bench/role.ts SYSTEM URL
 *
 * It ends when its channel closes, so none outlives the bench, however that ended.
 */
import type { Answer, Call, Commands } from "./processes.ts"
import { inputOf, type System } from "./systems/system.ts"

const [name = "", url = ""] = process.argv.slice(2)
const systems = (await import(`./systems/${name}.ts`)) as Record<string, System>
const client = await systems[name]!.connect(url)

/** Runs `step` again and again, `inFlight` at a time, until it says that there is no more to do. */
const repeatedly = async (inFlight: number, step: () => Promise<unknown> | undefined): Promise<void> => {
  const one = async () => {
    for (let doing = step(); doing !== undefined; doing = step()) await doing
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

const askedOf = (times: Array<number>) => {
  times.sort((a, b) => a - b)
  const at = (quantile: number) => times[Math.floor((times.length - 1) * quantile)]!
  return { count: times.length, p50: at(0.5), p99: at(0.99) }
}

let stopWork = async () => {}

const commands: Commands = {
  async submit({ batch, count, inFlight, inputBytes, mix }) {
    let next = 0
    await repeatedly(inFlight, () => {
      if (next >= count) return undefined
      if (batch === 1) return client.submit(inputOf(next++, inputBytes))
      const inputs = Array.from({ length: Math.min(batch, count - next) }, () => inputOf(next++, inputBytes))
      return client.submitAll(inputs, mix)
    })
  },

  async ask({ inFlight, inputBytes, millis }) {
    const times: Array<number> = []
    const end = performance.now() + millis
    const one = async (start: number) => {
      await client.ask(inputOf(times.length, inputBytes))
      times.push(performance.now() - start)
    }
    await repeatedly(inFlight, () => {
      const start = performance.now()
      return start < end ? one(start) : undefined
    })
    return askedOf(times)
  },

  async wait({ count, everyMs, firstMs, inputBytes }) {
    const times = Array.from({ length: count }, async (_, at) => {
      const delayMs = firstMs + at * everyMs
      const start = performance.now()
      await client.askLater(inputOf(at, inputBytes), delayMs)
      return performance.now() - start - delayMs
    })
    return askedOf(await Promise.all(times))
  },

  async work(concurrency, mix) {
    stopWork = await client.work(concurrency, mix)
  },

  rest: () => stopWork(),

  async usage() {
    const { system, user } = process.cpuUsage()
    return { cpuMicros: user + system, residentBytes: process.memoryUsage.rss() }
  }
}

const answer = async ({ args, command, id }: Call): Promise<Answer> => {
  try {
    return {
      id,
      value: await (commands[command] as (...args: ReadonlyArray<unknown>) => Promise<unknown>)(...args)
    }
  } catch (thrown) {
    return { id, error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }
  }
}

// A Ctrl-C is for the bench, which ends us by closing the channel.
process.on("SIGINT", () => {})
process.on("disconnect", () => process.exit(0))
process.on("message", (call: Call) => void answer(call).then((said) => process.send!(said)))
process.send!("ready")
