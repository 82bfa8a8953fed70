/**
 * Every view there is, and which of them a route means. A view says what the caller must be allowed to ask (`needs`), loads its
 * data, and draws it; one that `listens` is told the news of tasks, and loaded again then if it `changesWithNews`.
 */
import { agent } from "./view-agent.js"
import { agents } from "./view-agents.js"
import { audit } from "./view-audit.js"
import { dead } from "./view-dead.js"
import { keys } from "./view-keys.js"
import { overview } from "./view-overview.js"
import { queues } from "./view-queues.js"
import { schedule } from "./view-schedule.js"
import { schedules } from "./view-schedules.js"
import { task } from "./view-task.js"
import { tasks } from "./view-tasks.js"
import { workers } from "./view-workers.js"

/** In the order of the menu. */
export const menu = { overview, tasks, queues, dead, workers, schedules, agents, keys, audit }

/** Those that show one of what a view of the menu lists, by how many parts name it. */
const ofOne = { tasks: [task, 1], schedules: [schedule, 1], agents: [agent, 2] }

/** The view that a route means; `undefined` where there is none. */
export const viewOf = ({ parts, view }) => {
  if (!Object.hasOwn(menu, view)) return undefined
  if (parts.length === 0) return menu[view]
  const [one, length] = ofOne[view] ?? []
  return parts.length === length ? one : undefined
}
