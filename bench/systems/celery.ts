/**
 * Celery as Debian packages it, with Redis as its broker and for its results: prefork with a process for each core, tasks
 * acknowledged once they have ended. Its submitter is a process of Python, too, which is told what to submit.
 */
import { fileURLToPath } from "node:url"
import { cpus } from "node:os"
import type { System } from "./system.ts"

const python = "/usr/bin/python3"
const folder = fileURLToPath(new URL(".", import.meta.url))
const environment = (url: string) => ({
  ...(process.env as Record<string, string>),
  BENCH_REDIS: url,
  PYTHONPATH: folder,
  PYTHONDONTWRITEBYTECODE: "1"
})

/** Lines that a process says, one at a time. */
const linesOf = (stream: ReadableStream<Uint8Array>) => {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let text = ""
  return async () => {
    while (!text.includes("\n")) {
      const { done, value } = await reader.read()
      if (done) throw new Error("the submitter of Celery has ended")
      text += decoder.decode(value, { stream: true })
    }
    const end = text.indexOf("\n")
    const line = text.slice(0, end)
    text = text.slice(end + 1)
    return line
  }
}

export const celery: System = {
  name: "celery",
  share: 0.02,

  missing: () => {
    const tried = Bun.spawnSync([python, "-c", "import celery, redis"], { stderr: "ignore" })
    return tried.success ? undefined : "there is no Celery; apt-get install python3-celery python3-redis"
  },

  connect: async (url) => {
    const env = environment(url)
    let opened: Promise<(inputs: ReadonlyArray<unknown>) => Promise<void>> | undefined
    const open = async () => {
      const child = Bun.spawn([python, `${folder}celery_bench.py`], {
        env,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit"
      })
      const line = linesOf(child.stdout)
      await line()
      let before: Promise<unknown> = Promise.resolve()
      return async (inputs: ReadonlyArray<unknown>) => {
        // It answers in the order in which it is asked.
        void child.stdin.write(`${JSON.stringify(inputs)}\n`)
        void child.stdin.flush()
        const answered = before.then(line)
        before = answered
        await answered
      }
    }
    const submitAll = async (inputs: ReadonlyArray<unknown>) => (await (opened ??= open()))(inputs)
    return {
      submit: (input) => submitAll([input]),
      submitAll,
      work: async () => {
        const child = Bun.spawn(
          [
            python,
            "-m",
            "celery",
            "-A",
            "celery_bench",
            "worker",
            "--loglevel=error",
            "--without-gossip"
          ].concat(["--without-mingle", `--concurrency=${cpus().length}`]),
          { env, cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" }
        )
        return async () => {
          child.kill("SIGTERM")
          await child.exited
        }
      }
    }
  },

  unended: async (redis) => (await redis.llen("celery")) + (await redis.hlen("unacked")),

  kept: async (redis) => {
    let count = 0
    for await (const names of redis.scanStream({ match: "celery-task-meta-*", count: 1_000 })) {
      count += (names as Array<string>).length
    }
    return count
  }
}
