/**
 * Moves the jobs that wait in a queue of BullMQ to Troupe, the delayed ones with their due time. Pause the queue and let what
 * runs end first. Said again after a failure it goes on: a job is removed once its task is stored, and is stored once.
 */
import type { Queue } from "bullmq"
import type { Troupe } from "troupe"

export const moveJobs = async (queue: Queue, troupe: Troupe): Promise<number> => {
  const running = await queue.getActiveCount()
  if (running > 0) throw new Error(`${running} jobs run in ${queue.name}: wait for them`)
  let moved = 0
  for (const state of ["waiting", "prioritized", "delayed"] as const) {
    for (let left = 0; ;) {
      const jobs = await queue.getJobs([state], left, left + 99, true)
      if (jobs.length === 0) break
      for (const job of jobs) {
        // The next job of a scheduler goes with its scheduler, which becomes a schedule.
        if (job === undefined || job.repeatJobKey !== undefined) {
          left++
          continue
        }
        await troupe.submit(job.name, job.data, {
          idempotencyKey: `bullmq:${queue.name}:${job.id}`,
          ...(job.delay > 0 ? { runAt: new Date(job.timestamp + job.delay) } : {})
        })
        await job.remove()
        moved++
      }
    }
  }
  return moved
}
