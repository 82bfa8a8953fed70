/**
 * Submit and ask for the face in promises: told by a call, without a fiber for each, which would cost as much as all the
 * rest. What they do, refuse and promise is what `Troupe` says of its own.
 */
import { Context, type Exit } from "effect"
import type { Named, SubmitOptions } from "./submission.ts"
import type { Task } from "./task.ts"

/** Is called once, maybe at once, unless what the call returned was called before: that ends the wait. */
export type Done<A> = (exit: Exit.Exit<A, unknown>) => void

export class Direct extends Context.Service<
  Direct,
  {
    readonly submit: (
      task: Named,
      input: unknown,
      options: SubmitOptions | undefined,
      done: Done<Task>
    ) => () => void
    readonly ask: (
      task: Named,
      input: unknown,
      options: SubmitOptions | undefined,
      done: Done<unknown>
    ) => () => void
  }
>()("troupe/Direct") {}
