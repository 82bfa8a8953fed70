/** A handler in plain TypeScript: it streams each word, and returns how many there were. Safe to repeat: it writes nothing. */
import { defineTask } from "troupe"
import { z } from "zod"

export const countWords = defineTask({
  name: "text.count",
  input: z.object({ text: z.string().min(1) }),
  async run({ text }, { emit }) {
    const words = text.trim().split(/\s+/)
    for (const word of words) await emit(`${word}\n`)
    return { words: words.length }
  }
})
