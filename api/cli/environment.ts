/** Flags that say what a setting is: each stands for a variable of the environment, and is read and refused as one. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import type { Environment } from "../../runtime/config.ts"
import * as Flags from "./flags.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(metavar), Flag.optional)

export const redis = Flags.redis
export const handlers = text("handlers", "FOLDER", "A folder of handlers; default TROUPE_HANDLERS")
export const queues = text(
  "queues",
  "QUEUES",
  "Queues to serve, as in documents:8,default:4; default TROUPE_QUEUES"
)
export const port = text(
  "port",
  "PORT",
  "Where the API listens; 0 takes a free port; default TROUPE_PORT, or 4000"
)
export const workers = text("workers", "N", "How many worker processes; default TROUPE_WORKERS, or 2")

const variables = {
  redis: "REDIS_URL",
  handlers: "TROUPE_HANDLERS",
  queues: "TROUPE_QUEUES",
  port: "TROUPE_PORT",
  workers: "TROUPE_WORKERS"
} as const

/** What the flags that were given say, as variables. */
export const said = (flags: { readonly [flag in keyof typeof variables]?: Option.Option<string> }): Record<
  string,
  string
> =>
  Object.fromEntries(
    Object.entries(flags).flatMap(([flag, value]) =>
      Option.isSome(value) ? [[variables[flag as keyof typeof variables], value.value]] : []
    )
  )

/** The environment of this process with what the flags say instead. */
export const environment = (flags: Parameters<typeof said>[0]): Environment => ({
  ...process.env,
  ...said(flags)
})
