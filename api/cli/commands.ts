/** The commands that use a system which somebody else started. */
import type { TaskDefinition } from "../../runtime/handler.ts"
import { agents } from "./agents.ts"
import { cancel } from "./cancel.ts"
import { dead } from "./dead.ts"
import { nodes } from "./nodes.ts"
import { queues } from "./queues.ts"
import { result } from "./result.ts"
import { retry } from "./retry.ts"
import { schedules } from "./schedules.ts"
import { status } from "./status.ts"
import { submit } from "./submit.ts"
import { tail } from "./tail.ts"
import { tasks } from "./tasks.ts"
import { workers } from "./workers.ts"

/** `handlers` are those that the program brings along; the ones in `TROUPE_HANDLERS` come to them. */
export const commands = (handlers: ReadonlyArray<TaskDefinition>) =>
  [
    submit(handlers),
    status(handlers),
    result(handlers),
    tail(handlers),
    cancel(handlers),
    retry(handlers),
    tasks(handlers),
    dead(handlers),
    queues(handlers),
    schedules(handlers),
    agents(handlers),
    workers(handlers),
    nodes(handlers)
  ] as const
