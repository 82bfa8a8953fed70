/** bunqueue, its server in a process of its own with SQLite behind it, reached over TCP as its documentation shows. */
import { Queue, Worker } from "bunqueue/client"
import { fileURLToPath } from "node:url"
import { freePort } from "./port.ts"
import { outputOf, type Input, type System } from "./system.ts"

const name = "bench"

/** How long its server may take to answer, in milliseconds. */
const startMaxMs = 10_000

const counts = new Map<string, Queue>()

/** The bench's own look at it. */
const looker = (url: string): Queue => {
  const there = counts.get(url) ?? new Queue(name, { connection: connectionOf(url) })
  counts.set(url, there)
  return there
}

const connectionOf = (url: string) => ({ host: "127.0.0.1", port: Number(url) })

export const bunqueue: System = {
  name: "bunqueue",
  share: 0.1,

  serve: async (folder) => {
    const [tcp, http] = [await freePort(), await freePort()]
    const main = fileURLToPath(import.meta.resolve("bunqueue"))
    const child = Bun.spawn(
      [
        process.execPath,
        main,
        "start",
        ...["--host", "127.0.0.1", "--tcp-port", String(tcp), "--http-port", String(http)],
        ...["--data-path", `${folder}/queue.db`]
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "ignore" }
    )
    const url = String(tcp)
    const until = performance.now() + startMaxMs
    for (;;) {
      const answered = await fetch(`http://127.0.0.1:${http}/health`).then(
        ({ ok }) => ok,
        () => false
      )
      if (answered) break
      if (performance.now() > until) throw new Error("bunqueue does not answer")
      await Bun.sleep(50)
    }
    return {
      url,
      clear: async () => {
        await looker(url).obliterateAsync()
      },
      stop: async () => {
        looker(url).close()
        child.kill()
        await child.exited
      }
    }
  },

  connect: async (url) => {
    const connection = connectionOf(url)
    const queue = new Queue<Input>(name, { connection })
    return {
      submit: (input) => queue.add("noop", input),
      submitAll: (inputs) => queue.addBulk(inputs.map((data) => ({ name: "noop", data }))),
      work: async (concurrency) => {
        const worker = new Worker<Input>(name, async ({ data }) => outputOf(data), {
          connection,
          concurrency
        })
        return async () => {
          await worker.close()
        }
      }
    }
  },

  unended: async (_, url) => {
    const { active, waiting } = await looker(url).getJobCounts()
    return active + waiting
  }
}
