/** The commands that use a system which somebody else started. */
import type { TaskDefinition } from "../../runtime/handler.ts"
import { result } from "./result.ts"
import { status } from "./status.ts"
import { submit } from "./submit.ts"
import { tail } from "./tail.ts"

/** `handlers` are those that the program brings along; the ones in `TROUPE_HANDLERS` come to them. */
export const commands = (handlers: ReadonlyArray<TaskDefinition>) =>
  [submit(handlers), status(handlers), result(handlers), tail(handlers)] as const
