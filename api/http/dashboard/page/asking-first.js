/** Doing what cannot be taken back: it is counted first, and is done to what was counted when somebody has said yes. */
import { many } from "./format.js"

/**
 * `count` says to how many it would be done, `question` what is asked then. Nobody is asked about nothing. `run` is given what
 * was said in the fields.
 */
export const askingFirst = (
  page,
  { button, count, done, fields, isDangerous = true, noun = "task", question, run }
) =>
  page.act(async () => {
    const number = await count()
    if (number === 0) return `There is nothing to do it to: no ${noun} is meant.`
    const said = await page.inquire({
      title: question(many(number, noun), number),
      button: button(number),
      fields,
      isDangerous
    })
    return said === undefined ? undefined : done(await run(said))
  })

/** Asks without a count, where one thing alone is meant. */
export const askingOnce = (page, { run, ...inquiry }) =>
  page.act(async () => {
    const said = await page.inquire({ isDangerous: true, ...inquiry })
    return said === undefined ? undefined : run(said)
  })
