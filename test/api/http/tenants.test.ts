/** Every route × whoever may ask it: nobody, a key that may not, another tenant's, and its owner's. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { routeTable } from "../../../api/http/route-table.ts"
import { defineTask, Fatal } from "../../../runtime/handler.ts"
import { mayUse, type Role } from "../../../runtime/roles.ts"
import { ulidOfTenant } from "../../../runtime/tenant.ts"
import { makeUlid } from "../../../runtime/ulid.ts"
import { type Answer, openAccess } from "../../support/access.ts"
import { aCart, count } from "../../support/carts.ts"

const roles = ["submit", "read", "operate", "admin"] as const
const tenants = ["acme", "beta", "default"] as const
type TenantName = (typeof tenants)[number]

const fails = defineTask({
  name: "shop.fail",
  run: () => {
    throw new Fatal("no stock")
  }
})

let system: Awaited<ReturnType<typeof openAccess>>
const keys = {} as Record<TenantName, Record<Role, { readonly id: string; readonly key: string }>>

beforeAll(async () => {
  system = await openAccess("memory", [aCart().cart, count, fails])
  for (const tenant of tenants) {
    keys[tenant] = {} as never
    for (const role of roles) keys[tenant][role] = await system.aKey(tenant, role)
  }
})

afterAll(() => system.close())

const as = (tenant: TenantName, role: Role = "admin") => keys[tenant][role].key
const owner = (method: string, path: string, body?: unknown) =>
  system.ask(method, path, { key: as("acme"), body })

// ---------------------------------------------------------------------------------------------------------
// What a route is asked for
// ---------------------------------------------------------------------------------------------------------

/** A request, and the same about what is not there; both made anew for each that asks. */
interface Request {
  readonly path: string
  readonly body?: unknown
  /** What in the answers stands for what was asked for. */
  readonly id?: string
  /** Besides JSON. */
  readonly headers?: Readonly<Record<string, string>>
}

interface Case {
  /** What the owner has, and asks for. */
  readonly there: () => Promise<Request>
  /** The same, of what nobody has. Absent where nobody's things are asked for. */
  readonly absent?: () => Request
  /** What the owner is answered. */
  readonly status: number
  /** It goes on until the client leaves: meanwhile the owner does something that is told. */
  readonly goesOn?: true
  /** What a list must not show to another tenant. */
  readonly hidden?: (request: Request) => string
}

const unique = () => crypto.randomUUID().slice(0, 8)
const ulid = makeUlid()
/** Ids of now that nobody has: one that looks like others', and one like those of the tenant `default`. */
const nobodys = `default.0.${ulidOfTenant(ulid(Date.now()), "acme")}`
const plainNobodys = `default.0.${ulid(Date.now())}`

const later = async () =>
  (await owner("POST", "/v1/tasks", { name: "shop.count", delayMs: 3_600_000, tags: ["acme-only"] })).body
    .id as string

const done = async () => {
  const { id } = (await owner("POST", "/v1/tasks", { name: "shop.count" })).body
  await owner("GET", `/v1/tasks/${id}/result?waitMs=5000`)
  return id as string
}

const letter = async () => {
  const { id } = (await owner("POST", "/v1/tasks", { name: "shop.fail" })).body
  await owner("GET", `/v1/tasks/${id}/result?waitMs=5000`)
  return id as string
}

const ofTask = (make: () => Promise<string>, rest: string, status: number, body?: unknown): Case => ({
  there: async () => {
    const id = await make()
    return { id, path: `/v1/tasks/${id}${rest}`, body }
  },
  absent: () => ({ id: nobodys, path: `/v1/tasks/${nobodys}${rest}`, body }),
  status
})

const aSchedule = { name: "shop.count", everyMs: 3_600_000 }
const ofSchedule = (rest: string, status: number, body?: unknown): Case => ({
  there: async () => {
    const id = `s-${unique()}`
    await owner("POST", "/v1/schedules", { ...aSchedule, id, paused: rest === "/resume" })
    return { id, path: `/v1/schedules/${id}${rest}`, body }
  },
  absent: () => ({ id: "nobodys", path: `/v1/schedules/nobodys${rest}`, body }),
  status
})

const anAgent = async () => {
  const key = `user-${unique()}`
  await owner("POST", `/v1/agents/shop.cart/${key}/ask`, { message: "add", input: { item: "acme-tea" } })
  return key
}
const ofAgent = (rest: string, status: number): Case => ({
  there: async () => {
    const id = await anAgent()
    return { id, path: `/v1/agents/shop.cart/${id}${rest}`, ...(rest === "" ? {} : { body: {} }) }
  },
  absent: () => ({
    id: "nobody",
    path: `/v1/agents/shop.cart/nobody${rest}`,
    ...(rest === "" ? {} : { body: {} })
  }),
  status
})

/** What is made is the maker's own, whoever else has made the same. */
const making = (
  path: string,
  status: number,
  body?: unknown,
  headers?: Readonly<Record<string, string>>
): Case => ({
  there: async () => ({ path, body, ...(headers === undefined ? {} : { headers }) }),
  status
})

const listing = (path: string, make: () => Promise<string>): Case => ({
  there: async () => ({ path, id: await make() }),
  status: 200,
  hidden: ({ id }) => id!
})

const cluster = (path: string, body?: unknown): Case => ({ there: async () => ({ path, body }), status: 0 })

const aFile = async () => {
  const { body } = await system.ask("POST", "/v1/files", {
    key: as("acme"),
    headers: { "content-type": "text/plain" },
    body: new TextEncoder().encode("acme's")
  })
  return body.id as string
}
const ofFile = (status: number): Case => ({
  there: async () => {
    const id = await aFile()
    return { id, path: `/v1/files/${id}` }
  },
  absent: () => ({ id: "0".repeat(32), path: `/v1/files/${"0".repeat(32)}` }),
  status
})

const ofKey = (rest: string, status: number): Case => ({
  there: async () => {
    const { id } = (await owner("POST", "/v1/keys", { role: "read" })).body
    return { id, path: `/v1/keys/${id}${rest}` }
  },
  absent: () => ({ id: "0".repeat(12), path: `/v1/keys/${"0".repeat(12)}${rest}` }),
  status
})

const selecting = (path: string): Case => ({
  there: async () => {
    const id = await letter()
    return { id, path, body: { ids: [id] } }
  },
  absent: () => ({ id: nobodys, path, body: { ids: [nobodys] } }),
  status: 200
})

const cases: Readonly<Record<string, Case>> = {
  submitTask: making("/v1/tasks", 202, { name: "shop.count" }),
  submitTasks: making("/v1/tasks/batch", 202, { tasks: [{ name: "shop.count" }] }),
  cancelTask: ofTask(later, "/cancel", 202, {}),
  rescheduleTask: ofTask(later, "/reschedule", 200, { delayMs: 7_200_000 }),
  getTask: ofTask(later, "", 200),
  getInput: ofTask(later, "/input", 200),
  getResult: ofTask(later, "/result?waitMs=100", 202),
  followTask: ofTask(done, "/events", 200),
  retryTask: ofTask(letter, "/retry", 202, {}),
  listTasks: listing("/v1/tasks?limit=1000", later),
  listenToTasks: {
    there: async () => ({ path: "/v1/events" }),
    status: 200,
    goesOn: true,
    hidden: () => "acme-only"
  },
  listDead: listing("/v1/dead", letter),
  retryDead: selecting("/v1/dead/retry"),
  purgeDead: selecting("/v1/dead/purge"),
  listQueues: cluster("/v1/queues"),
  getQueue: cluster("/v1/queues/default"),
  pauseQueue: cluster("/v1/queues/other/pause", {}),
  resumeQueue: cluster("/v1/queues/other/resume", {}),
  purgeQueue: cluster("/v1/queues/other/purge", {}),
  moveTasks: cluster("/v1/queues/other/move", { to: "third" }),
  limitQueue: cluster("/v1/queues/other/limits", {}),
  listWorkers: cluster("/v1/workers"),
  drainWorker: cluster("/v1/workers/w-none/drain"),
  listNodes: cluster("/v1/nodes"),
  drainNode: cluster("/v1/nodes/n-none/drain"),
  getStats: cluster("/v1/stats"),
  getCaller: { there: async () => ({ path: "/v1/caller" }), status: 200 },
  metrics: cluster("/metrics"),
  listSchedules: listing("/v1/schedules?limit=100", async () => {
    const id = `s-${unique()}`
    await owner("POST", "/v1/schedules", { ...aSchedule, id })
    return id
  }),
  createSchedule: {
    there: async () => ({ path: "/v1/schedules", body: { ...aSchedule, id: `s-${unique()}` } }),
    status: 201
  },
  getSchedule: ofSchedule("", 200),
  updateSchedule: ofSchedule("", 200, aSchedule),
  deleteSchedule: ofSchedule("", 204),
  pauseSchedule: ofSchedule("/pause", 200),
  resumeSchedule: ofSchedule("/resume", 200),
  runSchedule: ofSchedule("/run", 202),
  listAgents: listing("/v1/agents?limit=100", anAgent),
  getAgent: ofAgent("", 200),
  tellAgent: making("/v1/agents/shop.cart/mine/tell", 202, { message: "add", input: { item: "tea" } }),
  askAgent: making("/v1/agents/shop.cart/mine/ask", 200, { message: "add", input: { item: "tea" } }),
  resumeAgent: ofAgent("/resume", 200),
  resetAgent: ofAgent("/reset", 200),
  stopAgent: ofAgent("/stop", 200),
  uploadFile: making("/v1/files", 201, new TextEncoder().encode("x"), { "content-type": "text/plain" }),
  getFile: ofFile(200),
  deleteFile: ofFile(204),
  listKeys: listing("/v1/keys", async () => keys.acme.read.id),
  createKey: making("/v1/keys", 201, { role: "read" }),
  rotateKey: ofKey("/rotate", 200),
  revokeKey: ofKey("", 200),
  issueTicket: {
    there: async () => {
      const id = await later()
      return { id, path: "/v1/tickets", body: { for: "task", task: id } }
    },
    absent: () => ({ id: nobodys, path: "/v1/tickets", body: { for: "task", task: nobodys } }),
    status: 201
  },
  listAudit: listing("/v1/audit?limit=1000", async () => {
    const id = await later()
    await owner("POST", `/v1/tasks/${id}/cancel`, {})
    return id
  })
}

// ---------------------------------------------------------------------------------------------------------
// The walk
// ---------------------------------------------------------------------------------------------------------

const send = (method: string, { body, headers, path }: Request, key?: string) =>
  system.ask(method, path, { key, body, ...(headers === undefined ? {} : { headers }) })

/** How long a stream of others' events is listened to. */
const listenedMs = 250

/** What a stream says while the owner submits a task; what is refused says it at once. */
const listen = async ({ path }: Request, key?: string): Promise<Answer> => {
  const leaving = new AbortController()
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const response = await system.app.request(path, { headers, signal: leaving.signal })
  const { headers: said, status } = response
  if (status !== 200) {
    const text = await response.text()
    return { status, headers: said, text, body: JSON.parse(text) }
  }
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let text = ""
  const reading = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += decoder.decode(next.value)
      if (text.includes("acme-only")) return
    }
  })()
  await later()
  await Promise.race([reading, Bun.sleep(listenedMs)])
  leaving.abort()
  await reader.cancel()
  return { status, headers: said, text, body: undefined }
}

/** An answer without what was asked for, and what every answer has of its own. */
const shape = ({ headers, status, text }: Answer, { id = "" }: Request) => ({
  status,
  text: id === "" ? text : text.replaceAll(id, "<id>"),
  type: headers.get("content-type"),
  retryAfter: headers.get("retry-after")
})

const guarded = routeTable.filter(({ needs }) => needs !== "nothing")

test("every route has a row here, and every row a route", () => {
  expect(Object.keys(cases).toSorted()).toEqual(guarded.map(({ name }) => name).toSorted())
})

for (const { method, name, needs, path, reach } of guarded) {
  const known = cases[name]
  if (needs === "nothing" || known === undefined) continue
  const { absent, goesOn, hidden, status, there } = known
  const ask = (method: string, request: Request, key?: string) =>
    goesOn === true ? listen(request, key) : send(method, request, key)

  describe(`${method} ${path}`, () => {
    test("asks whoever shows no key, or none that counts, for one", async () => {
      const request = await there()
      for (const key of [undefined, "troupe_000000000000_" + "0".repeat(64), "nonsense"]) {
        const answer = await ask(method, request, key)

        expect(answer).toMatchObject({ status: 401, body: { type: "unauthorized", status: 401 } })
        expect(answer.headers.get("www-authenticate")).toStartWith('Bearer realm="troupe"')
      }
    })

    test("is refused to the roles that may not", async () => {
      const request = await there()
      for (const role of roles.filter((role) => !mayUse(role, needs))) {
        const answer = await ask(method, request, as(reach === "cluster" ? "default" : "acme", role))

        expect(answer).toMatchObject({ status: 403, body: { type: "forbidden", status: 403 } })
        expect(answer.headers.get("www-authenticate")).toContain(`scope="${needs}"`)
      }
    })

    if (reach === "cluster") {
      test("is for the tenant default alone", async () => {
        for (const role of roles.filter((role) => mayUse(role, needs))) {
          expect(await ask(method, await there(), as("acme", role))).toMatchObject({
            status: 403,
            body: { type: "forbidden" }
          })
          expect((await ask(method, await there(), as("default", role))).status).not.toBeOneOf([
            401, 403, 500
          ])
        }
      })
      return
    }

    test("does what its owner asks", async () => {
      for (const role of roles.filter((role) => mayUse(role, needs))) {
        const answer = await ask(method, await there(), as("acme", role))

        expect({ role, status: answer.status, text: answer.status === status ? "" : answer.text }).toEqual({
          role,
          status,
          text: ""
        })
      }
    })

    test("shows another tenant nothing, as if there was nothing", async () => {
      for (const tenant of ["beta", "default"] as const) {
        const request = await there()
        const answer = await ask(method, request, as(tenant))
        // An admin of the tenant default looks after the keys of all.
        const seesAll = tenant === "default" && needs === "admin"
        if (hidden !== undefined && !seesAll) {
          expect((await ask(method, request, as("acme"))).text).toContain(hidden(request))
          expect(answer.status).toBe(200)
          expect(answer.text).not.toContain(hidden(request))
          expect(answer.text).not.toContain("acme")
        }
        if (absent !== undefined && !seesAll) {
          const nothing = absent()
          expect(shape(answer, request)).toEqual(shape(await ask(method, nothing, as(tenant)), nothing))
          expect(shape(answer, request)).toEqual(shape(await ask(method, request, as(tenant)), request))
        }
      }
    })
  })
}

describe("what one tenant has", () => {
  test("is another's to have, too: a file, a key, a guard, a schedule and an agent of the same name", async () => {
    const id = `s-${unique()}`
    const once = { name: "shop.count", idempotencyKey: id, input: 1 }
    const mine = await owner("POST", "/v1/tasks", once)
    const theirs = await system.ask("POST", "/v1/tasks", { key: as("beta"), body: { ...once, input: 2 } })
    const defaults = await system.ask("POST", "/v1/tasks", {
      key: as("default"),
      body: { ...once, input: 3 }
    })
    expect([mine.status, theirs.status, defaults.status]).toEqual([202, 202, 202])
    expect((await owner("POST", "/v1/tasks", once)).body).toMatchObject({ id: mine.body.id, existing: true })

    for (const tenant of tenants) {
      const made = await system.ask("POST", "/v1/schedules", {
        key: as(tenant),
        body: { ...aSchedule, id, tags: [tenant] }
      })
      expect({ tenant, status: made.status }).toEqual({ tenant, status: 201 })
    }
    for (const tenant of tenants) {
      const listed = await system.ask("GET", "/v1/schedules?limit=100", { key: as(tenant) })
      expect(listed.body.schedules.filter((one: { id: string }) => one.id === id)).toMatchObject([
        { tags: [tenant] }
      ])
    }

    for (const [at, tenant] of tenants.entries()) {
      const asked = await system.ask("POST", `/v1/agents/shop.cart/${id}/ask`, {
        key: as(tenant),
        body: { message: "add", input: { item: tenant } }
      })
      expect({ at, reply: asked.body.reply }).toEqual({ at, reply: { size: 1 } })
      const { body } = await system.ask("GET", `/v1/agents/shop.cart/${id}`, { key: as(tenant) })
      expect(body.state).toEqual({ items: [tenant] })
    }
  })

  test("is found by nobody else, whether an id shows whose it is or not", async () => {
    const own = await system.ask("POST", "/v1/tasks", {
      key: as("default"),
      body: { name: "shop.count", delayMs: 60_000 }
    })
    for (const id of [own.body.id, plainNobodys, nobodys]) {
      const answer = await owner("GET", `/v1/tasks/${id}`)
      expect(answer).toMatchObject({ status: 404, body: { type: "task-not-found" } })
    }
    expect((await system.ask("GET", `/v1/tasks/${own.body.id}`, { key: as("default") })).status).toBe(200)
  })

  test("is named by no cursor of another, which counts for its tenant alone", async () => {
    const ids = []
    for (const tenant of ["acme", "beta", "acme", "beta"] as const) {
      const { body } = await system.ask("POST", "/v1/tasks", {
        key: as(tenant),
        body: { name: "shop.count", tags: ["paged"], delayMs: 60_000 }
      })
      ids.push(body.id as string)
    }
    const page = (tenant: TenantName, cursor?: string) => {
      const from = cursor === undefined ? "" : `&cursor=${cursor}`
      return system.ask("GET", `/v1/tasks?limit=1&tag=paged&state=scheduled${from}`, { key: as(tenant) })
    }

    const first = await page("acme")
    const { next } = first.body
    const second = await page("acme", next)

    expect([...first.body.tasks, ...second.body.tasks].map(({ id }) => id)).toEqual([ids[0], ids[2]])
    const plain = Buffer.from(next, "base64url").toString()
    expect(
      [...ids.map((id) => id.split(".")[2]!), "later", "default"].filter((word) => plain.includes(word))
    ).toEqual([])
    const forged = Buffer.from(JSON.stringify(["later", "default.0", "", ""])).toString("base64url")
    for (const refused of [await page("beta", next), await page("acme", forged), await page("acme", "x")]) {
      expect(refused).toMatchObject({ status: 400, body: { errors: [{ path: "cursor" }] } })
    }
  })
})
