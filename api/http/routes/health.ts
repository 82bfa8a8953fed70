/** Whether this process lives, and whether requests should be sent to it. */
import { Effect, Schema } from "effect"
import { stalledQueues } from "../../../actors/operate/progress.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import type { Drain } from "../drain.ts"
import type { Serve } from "../mount.ts"
import { NotReady } from "../refusals.ts"
import { row } from "../row.ts"
import type { ApiServices } from "../run.ts"

/** How long one check may take. */
const checkMax = "2 seconds"

/** Succeeds with a few words on what is well, or fails with what is not. */
export type Check = Effect.Effect<string, string, ApiServices>

const store: Check = Store.use(({ ping }) => ping).pipe(
  Effect.as("answers"),
  Effect.mapError(({ message }) => message)
)

const handlers: Check = Effect.flatMap(Handlers, ({ all, broken }) => {
  if (all.length === 0) return Effect.fail("no handler is loaded")
  const left = broken.length === 0 ? "" : `, ${broken.length} modules left out`
  return Effect.succeed(`${all.length} loaded${left}`)
})

const claims: Check = Effect.matchEffect(stalledQueues, {
  onFailure: ({ message }) => Effect.fail(message),
  onSuccess: (stalled) =>
    stalled === 0
      ? Effect.succeed("go on")
      : Effect.fail(
          `tasks wait and none starts, though there are workers, in ${stalled} queues: see troupe queues`
        )
})

const memory: Check = Effect.flatMap(Operations, ({ memory }) => memory).pipe(
  Effect.mapError(({ message }) => message),
  Effect.flatMap(({ policy }) =>
    policy === "noeviction"
      ? Effect.succeed("nothing is evicted")
      : Effect.fail(`Redis evicts keys when it is full (maxmemory-policy ${policy}); set it to noeviction`)
  )
)

/** Whoever asks shows no key: what looks at every queue is done once a second, however many ask. */
const onceASecond = (check: Check): Check => Effect.runSync(Effect.cachedWithTTL(check, "1 second"))

const requests = (drain: Drain): Check =>
  Effect.suspend(() =>
    drain.begun ? Effect.fail("this process is going away") : Effect.succeed("are taken")
  )

const group = "Health"
const needs = "nothing"
const reach = "cluster"

export const rows = {
  alive: row({
    name: "isAlive",
    method: "GET",
    path: "/healthz",
    group,
    summary: "Says whether the process lives",
    needs,
    reach,
    answers: { 200: { description: "It does", schema: Schema.Struct({ status: Schema.Literal("alive") }) } },
    problems: []
  }),
  ready: row({
    name: "isReady",
    method: "GET",
    path: "/readyz",
    group,
    summary: "Says whether requests should be sent to this process",
    needs,
    reach,
    answers: {
      200: {
        description: "They should",
        schema: Schema.Struct({
          status: Schema.Literal("ready"),
          checks: Schema.Record(Schema.String, Schema.String)
        })
      }
    },
    problems: ["NotReady"]
  })
}

/** `others` are checks of those who run beside the API in this process, by name. */
export const health = (serve: Serve, drain: Drain, others: Readonly<Record<string, Check>>) => {
  const checks = {
    store,
    handlers,
    claims: onceASecond(claims),
    memory: onceASecond(memory),
    requests: requests(drain),
    ...others
  }
  const results = Effect.forEach(
    Object.entries(checks),
    ([name, check]) =>
      check.pipe(
        Effect.timeoutOrElse({ duration: checkMax, orElse: () => Effect.fail("no answer in time") }),
        Effect.match({
          onSuccess: (message) => ({ name, message, passed: true }),
          onFailure: (message) => ({ name, message, passed: false })
        })
      ),
    { concurrency: "unbounded" }
  )

  serve(rows.alive, (c) => Effect.sync(() => c.json({ status: "alive" })))
  serve(
    rows.ready,
    Effect.fnUntraced(function* (c) {
      const all = yield* results
      const faults = all.filter(({ passed }) => !passed).map(({ message, name }) => ({ path: name, message }))
      if (faults.length > 0) return yield* new NotReady({ faults })
      return c.json({
        status: "ready",
        checks: Object.fromEntries(all.map(({ message, name }) => [name, message]))
      })
    })
  )
}
