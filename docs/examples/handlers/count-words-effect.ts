/** The same in Effect: the context is a service, and the schema is Effect's own. Safe to repeat: it writes nothing. */
import { Effect, Schema } from "effect"
import { CurrentTask, defineTask } from "troupe/effect"

export const countWordsEffect = defineTask.effect({
  name: "text.count-effect",
  input: Schema.Struct({ text: Schema.NonEmptyString }),
  run: Effect.fn("text.count-effect")(function* ({ text }) {
    const task = yield* CurrentTask
    const words = text.trim().split(/\s+/)
    yield* Effect.forEach(words, (word) => task.emit(`${word}\n`), { discard: true })
    return { words: words.length }
  })
})
