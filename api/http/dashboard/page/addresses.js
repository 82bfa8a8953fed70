/**
 * Every address that the dashboard asks, by the name that the API has for it, with what a key must be allowed to do. Nothing
 * else in these files names an address. A test holds this table against the API's own.
 */

const get = (path, needs, reach = "tenant") => ({ method: "GET", path, needs, reach })
const post = (path, needs, reach = "tenant") => ({ method: "POST", path, needs, reach })

export const addresses = {
  getCaller: get("/v1/caller", "follow"),

  getStats: get("/v1/stats", "read", "cluster"),
  listenToTasks: get("/v1/events", "read"),

  listTasks: get("/v1/tasks", "read"),
  getTask: get("/v1/tasks/:id", "follow"),
  getInput: get("/v1/tasks/:id/input", "follow"),
  getResult: get("/v1/tasks/:id/result", "follow"),
  followTask: get("/v1/tasks/:id/events", "follow"),
  cancelTask: post("/v1/tasks/:id/cancel", "submit"),
  rescheduleTask: post("/v1/tasks/:id/reschedule", "submit"),
  retryTask: post("/v1/tasks/:id/retry", "operate"),

  listDead: get("/v1/dead", "read"),
  retryDead: post("/v1/dead/retry", "operate"),
  purgeDead: post("/v1/dead/purge", "operate"),

  listQueues: get("/v1/queues", "read", "cluster"),
  pauseQueue: post("/v1/queues/:queue/pause", "operate", "cluster"),
  resumeQueue: post("/v1/queues/:queue/resume", "operate", "cluster"),
  purgeQueue: post("/v1/queues/:queue/purge", "operate", "cluster"),
  limitQueue: { method: "PUT", path: "/v1/queues/:queue/limits", needs: "operate", reach: "cluster" },

  listWorkers: get("/v1/workers", "read", "cluster"),
  drainWorker: post("/v1/workers/:worker/drain", "operate", "cluster"),
  listNodes: get("/v1/nodes", "read", "cluster"),
  drainNode: post("/v1/nodes/:node/drain", "operate", "cluster"),

  listSchedules: get("/v1/schedules", "read"),
  getSchedule: get("/v1/schedules/:id", "read"),
  runSchedule: post("/v1/schedules/:id/run", "operate"),
  pauseSchedule: post("/v1/schedules/:id/pause", "operate"),
  resumeSchedule: post("/v1/schedules/:id/resume", "operate"),

  listAgents: get("/v1/agents", "read"),
  getAgent: get("/v1/agents/:type/:key", "read"),
  resumeAgent: post("/v1/agents/:type/:key/resume", "operate"),
  resetAgent: post("/v1/agents/:type/:key/reset", "operate"),
  stopAgent: post("/v1/agents/:type/:key/stop", "operate"),

  listKeys: get("/v1/keys", "admin"),
  createKey: post("/v1/keys", "admin"),
  rotateKey: post("/v1/keys/:key/rotate", "admin"),
  revokeKey: { method: "DELETE", path: "/v1/keys/:key", needs: "admin", reach: "tenant" },
  listAudit: get("/v1/audit", "admin")
}

/** Where the app is mounted: what is above this file's own folder. */
const root = new URL("..", import.meta.url)

/** What is said after the `?`; what is empty or left out is not said. */
const queryText = (query) => {
  const said = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== "" && value !== false
  )
  return said.length === 0
    ? ""
    : `?${new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString()}`
}

/** An address below the place where the app is mounted, without a slash before it. */
export const pathOf = (name, parts = {}, query = {}) =>
  addresses[name].path.slice(1).replace(/:(\w+)/g, (_, part) => encodeURIComponent(parts[part])) +
  queryText(query)

/** The whole of it. */
export const addressOf = (name, parts, query) => new URL(pathOf(name, parts, query), root).href

/** The tenant whose keys may see and do what is everybody's. */
const everybodys = "default"

/** Whether a caller may ask something. Nobody is sure before it was asked; the page only does not offer what would be refused. */
export const may = (caller, name) => {
  const { needs, reach } = addresses[name]
  return caller.may.includes(needs) && (reach === "tenant" || caller.tenant === everybodys)
}
