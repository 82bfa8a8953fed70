/**
 * A process of a bench: one system, connected, that does what it is told over its channel.
 *
 *     bun bench/role.ts SYSTEM URL
 *
 * It ends when its channel closes, so none outlives the bench, however that ended.
 */
import type { Answer, Call, Commands } from "./processes.ts"
import { inputOf, type Input, runs, type System } from "./systems/system.ts"

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

/** How long a process that is to stand still has to send what it asks, in milliseconds. */
const stallAfterMs = 100

const askedOf = (times: Array<number>, lost = 0) => {
  times.sort((a, b) => a - b)
  const at = (quantile: number) => times[Math.floor((times.length - 1) * quantile)] ?? 0
  return { count: times.length, p50: at(0.5), p99: at(0.99), longest: at(1), lost }
}

/** Whether an answer came in time. */
const inTime = (answer: Promise<unknown>, maxMs: number | undefined): Promise<boolean> => {
  if (maxMs === undefined) return answer.then(() => true)
  const came = answer.then(
    () => true,
    () => false
  )
  const waited = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => waited.resolve(false), maxMs)
  return Promise.race([came.finally(() => clearTimeout(timer)), waited.promise])
}

/** This process does nothing else for so long. */
const standStill = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)

const ask = (input: Input) => {
  if (client.ask === undefined) throw new Error(`${name} is not asked`)
  return client.ask(input)
}

let stopWork = async () => {}

const commands: Commands = {
  async submit({ agents, batch, count, effort, inFlight, inputBytes, mix }) {
    const input = (i: number): Input => {
      const plain = inputOf(i, inputBytes)
      if (effort === undefined && agents === undefined) return plain
      return { ...plain, ...effort, ...(agents === undefined ? {} : { agent: i % agents }) }
    }
    let next = 0
    await repeatedly(inFlight, () => {
      if (next >= count) return undefined
      if (batch === 1) return client.submit(input(next++))
      const inputs = Array.from({ length: Math.min(batch, count - next) }, () => input(next++))
      return client.submitAll(inputs, mix)
    })
  },

  async ask({ agents, beside, count = Infinity, inFlight, inputBytes, input, millis, stallMs, waitMaxMs }) {
    const times: Array<number> = []
    let asked = 0
    let lost = 0
    const end = performance.now() + millis
    const one = async (start: number) => {
      asked += 1
      const given = { ...inputOf(times.length, inputBytes), ...input }
      const answer = agents === undefined ? ask(given) : client.askAgent!({ ...given, agent: asked % agents })
      if (await inTime(answer, waitMaxMs)) times.push(performance.now() - start)
      else lost += 1
    }
    const asking = repeatedly(inFlight, () => {
      const start = performance.now()
      return start < end && asked < count ? one(start) : undefined
    })
    const others =
      beside === undefined
        ? Promise.resolve()
        : repeatedly(1, () =>
            performance.now() < end ? ask({ ...inputOf(0, inputBytes), ...beside }) : undefined
          )
    if (stallMs !== undefined) {
      await Bun.sleep(stallAfterMs)
      standStill(stallMs)
    }
    await Promise.all([asking, others])
    return askedOf(times, lost)
  },

  async wait({ count, everyMs, firstMs, inputBytes }) {
    const times = Array.from({ length: count }, async (_, at) => {
      const delayMs = firstMs + at * everyMs
      const start = performance.now()
      if (client.askLater === undefined) throw new Error(`${name} has no delays`)
      await client.askLater(inputOf(at, inputBytes), delayMs)
      return performance.now() - start - delayMs
    })
    return askedOf(await Promise.all(times))
  },

  async work(concurrency, mix) {
    stopWork = await client.work(concurrency, mix)
  },

  async schedule({ count, everyMs, firstAt }) {
    let next = 0
    await repeatedly(20, () => (next < count ? client.schedule!(next++, everyMs, firstAt) : undefined))
  },

  async begun({ after, count }) {
    await Bun.sleep(after - Date.now())
    while (runs.begun < count) await Bun.sleep(5)
    return Date.now() - after
  },

  ran: () => Promise.resolve(runs.begun),

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
