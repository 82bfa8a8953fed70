/** What may be done to a schedule, and its rule in words. */
import { duration } from "./format.js"
import { action, actions } from "./pieces.js"
import { h } from "./tree.js"

/** When it is due. */
export const ruleOf = ({ at, cron, everyMs, timeZone }) => {
  if (cron !== undefined) return [h("code", null, cron), ` ${timeZone ?? "UTC"}`]
  return everyMs === undefined ? `once, at ${at}` : `every ${duration(everyMs)}`
}

const change = (page, name, id, said) =>
  page.act(async () => {
    const answer = await page.ask(name, { parts: { id } })
    return typeof said === "function" ? said(answer) : said
  })

export const scheduleActions = (page, { id, paused }) =>
  actions(
    action(page, "runSchedule", "Run now", () =>
      change(page, "runSchedule", id, ({ id: task }) =>
        task === undefined ? `${id} waits for its last run to end.` : `${id} has submitted ${task}.`
      )
    ),
    paused
      ? action(page, "resumeSchedule", "Resume", () =>
          change(page, "resumeSchedule", id, `${id} fires again.`)
        )
      : action(page, "pauseSchedule", "Pause", () =>
          change(page, "pauseSchedule", id, `${id} fires nothing; slots that pass are not made up for.`)
        )
  )
