/**
 * The commands, by their names. Each is a module that is loaded when somebody runs it: a command starts without what only
 * others need.
 */
import type { TaskDefinition } from "../../runtime/handler.ts"
import { forTenants } from "./flags.ts"

type Handlers = ReadonlyArray<TaskDefinition>

/** The commands that serve: they run tasks, or take them in, until they are told to stop. */
export const serving = {
  up: async (handlers: Handlers) => (await import("./up.ts")).up(handlers),
  worker: async (handlers: Handlers) => (await import("./service.ts")).worker(handlers),
  api: async (handlers: Handlers) => (await import("./service.ts")).api(handlers)
}

/** The commands that use a system which somebody else started, or none at all. */
export const using = {
  submit: async (handlers: Handlers) => forTenants((await import("./submit.ts")).submit(handlers)),
  status: async (handlers: Handlers) => forTenants((await import("./status.ts")).status(handlers)),
  result: async (handlers: Handlers) => forTenants((await import("./result.ts")).result(handlers)),
  tail: async (handlers: Handlers) => forTenants((await import("./tail.ts")).tail(handlers)),
  cancel: async (handlers: Handlers) => forTenants((await import("./cancel.ts")).cancel(handlers)),
  reschedule: async (handlers: Handlers) =>
    forTenants((await import("./reschedule.ts")).reschedule(handlers)),
  retry: async (handlers: Handlers) => forTenants((await import("./retry.ts")).retry(handlers)),
  tasks: async (handlers: Handlers) => forTenants((await import("./tasks.ts")).tasks(handlers)),
  dead: async (handlers: Handlers) => forTenants((await import("./dead.ts")).dead(handlers)),
  queues: async (handlers: Handlers) => (await import("./queues.ts")).queues(handlers),
  schedules: async (handlers: Handlers) => forTenants((await import("./schedules.ts")).schedules(handlers)),
  agents: async (handlers: Handlers) => forTenants((await import("./agents.ts")).agents(handlers)),
  workers: async (handlers: Handlers) => (await import("./workers.ts")).workers(handlers),
  nodes: async (handlers: Handlers) => (await import("./nodes.ts")).nodes(handlers),
  keys: async () => forTenants((await import("./keys.ts")).keys()),
  doctor: async (handlers: Handlers) => (await import("./doctor.ts")).doctor(handlers),
  bench: async () => (await import("./bench.ts")).bench(),
  init: async () => (await import("./init.ts")).init()
}

/** What makes a command of the handlers that the program brings along; those in `TROUPE_HANDLERS` come to them. */
type Load = (handlers: Handlers) => Promise<unknown>

/**
 * The commands that a command line may mean: the one it names, or all where it names none, as for help and completions.
 * `args` are what stands after the program's name.
 */
export const commandsFor = async <const Loads extends Readonly<Record<string, Load>>>(
  loads: Loads,
  handlers: Handlers,
  args: ReadonlyArray<string>
): Promise<ReadonlyArray<Awaited<ReturnType<Loads[keyof Loads]>>>> => {
  const [name = ""] = args
  const meant = Object.hasOwn(loads, name) ? [loads[name]!] : Object.values(loads)
  return (await Promise.all(meant.map((load) => load(handlers)))) as ReadonlyArray<
    Awaited<ReturnType<Loads[keyof Loads]>>
  >
}
