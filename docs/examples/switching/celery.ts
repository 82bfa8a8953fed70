/**
 * Celery tasks and a chord as handlers of Troupe. The work stays Python, behind an address of the app; what was
 * Celery's is here. Safe to repeat, as the app heeds the idempotency key.
 */
import { defineTask, Fatal, RetryAfter } from "troupe"
import { z } from "zod"

// @app.task(autoretry_for=(Exception,), max_retries=5, retry_backoff=True, rate_limit="100/m", soft_time_limit=60)
export const resize = defineTask({
  name: "pictures.resize",
  queue: "pictures",
  input: z.object({ picture: z.string(), width: z.int() }),
  retry: { attempts: 6, backoff: { base: "1 second", cap: "10 minutes" } },
  limits: [{ key: "pictures", rate: 100, per: "1 minute" }],
  timeout: "1 minute",
  async run(input, { idempotencyKey, signal }) {
    const answer = await fetch(new URL("/resize", process.env["PICTURES_URL"]), {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
      body: JSON.stringify(input),
      signal
    })
    if (answer.status === 429) throw new RetryAfter("1 second") // self.retry(countdown=1)
    if (answer.status === 422) throw new Fatal(await answer.text()) // not in autoretry_for
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    return z.object({ file: z.string() }).parse(await answer.json())
  }
})

export const index = defineTask({
  name: "pictures.index",
  input: z.array(z.object({ file: z.string() })),
  run: (pictures) => pictures.map(({ file }) => file).sort()
})

// chord(group(resize.s(p, 640) for p in pictures))(index.s()): canvas is the run of a task that waits for others
export const album = defineTask({
  name: "pictures.album",
  input: z.object({ pictures: z.array(z.string()) }),
  run: ({ pictures }, { chord }) =>
    chord(
      pictures.map((picture) => ({ task: resize, input: { picture, width: 640 } })),
      index
    )
})
