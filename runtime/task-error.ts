/** An error as it is kept with a task and shown: at most 4 KiB of message and 8 KiB of stack; less in causes. */
export interface TaskError {
  /** The error's tag or class name. */
  readonly type: string
  readonly message: string
  readonly stack?: string
  /** What led to it, at most four deep. */
  readonly cause?: TaskError
}
