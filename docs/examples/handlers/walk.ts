/** A handler that takes its time and says how far it has come. Safe to repeat: it writes nothing. */
import { defineTask } from "troupe"
import { z } from "zod"

export const walk = defineTask({
  name: "demo.walk",
  input: z.object({ steps: z.int().min(1) }),
  async run({ steps }, { progress, signal }) {
    for (let step = 1; step <= steps && !signal.aborted; step++) {
      await progress(step / steps, `step ${step} of ${steps}`)
      await Bun.sleep(500)
    }
    return `walked ${steps} steps`
  }
})
