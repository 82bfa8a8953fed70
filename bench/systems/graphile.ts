/**
 * graphile-worker on a PostgreSQL of its own, set up as its documentation says for throughput: a local queue, and jobs
 * completed in batches. It deletes what has ended, so no result is kept.
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker"
import pg from "pg"
import { postgresPrograms, runPostgres } from "../../scripts/postgres.ts"
import { freePort } from "./port.ts"
import { outputOf, type Input, type System } from "./system.ts"

const quiet = new Logger(() => () => {})

const pools = new Map<string, pg.Pool>()
const lookers = (url: string): pg.Pool => {
  const there = pools.get(url) ?? new pg.Pool({ connectionString: url, max: 2 })
  pools.set(url, there)
  return there
}

export const graphile: System = {
  name: "graphile",
  share: 0.1,

  missing: () =>
    postgresPrograms === undefined ? "there is no PostgreSQL; apt-get install postgresql" : undefined,

  serve: async (folder) => {
    const bin = postgresPrograms!
    const data = `${folder}/data`
    if (process.getuid?.() === 0) await Bun.$`chown postgres:postgres ${folder}`.quiet()
    const port = await freePort()
    await runPostgres([`${bin}/initdb`, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"])
    const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`
    await runPostgres([`${bin}/pg_ctl`, "-D", data, "-w", "-l", `${folder}/log`, "-o", options, "start"])
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    const utils = await makeWorkerUtils({ connectionString: url, logger: quiet })
    await utils.migrate()
    await utils.release()
    return {
      url,
      clear: async () => {
        await lookers(url).query("truncate graphile_worker._private_jobs")
      },
      stop: async () => {
        await lookers(url).end()
        pools.delete(url)
        await runPostgres([`${bin}/pg_ctl`, "-D", data, "-m", "immediate", "stop"])
      }
    }
  },

  connect: async (url) => {
    const utils = await makeWorkerUtils({ connectionString: url, logger: quiet })
    return {
      submit: (input) => utils.addJob("noop", input),
      submitAll: (inputs) => utils.addJobs(inputs.map((payload) => ({ identifier: "noop", payload }))),
      work: async (concurrency) => {
        const runner = await run({
          connectionString: url,
          logger: quiet,
          taskList: {
            noop: async (payload) => {
              await outputOf(payload as Input)
            }
          },
          preset: {
            worker: {
              concurrentJobs: concurrency,
              maxPoolSize: 10,
              localQueue: { size: 500 },
              completeJobBatchDelay: 0,
              failJobBatchDelay: 0
            }
          }
        })
        return async () => {
          await runner.stop()
        }
      }
    }
  },

  unended: async (_, url) => {
    const { rows } = await lookers(url).query(
      "select count(*)::int as left from graphile_worker._private_jobs"
    )
    return rows[0].left
  }
}
