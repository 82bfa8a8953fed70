/** The messages of an outbox, a line each, as they lie there and as they are read. */
import type { Message, NewTask } from "../mailbox.ts"
import type { TaskId } from "../task.ts"

/** A message of the outbox as it is read. */
export const messageOf = (line: string): Message => {
  const [kind, first = "", second = "", third = "0", fourth] = line.split(" ", 5)
  switch (kind) {
    case "ended":
      return {
        kind,
        child: first as TaskId,
        parent: second as TaskId,
        run: Number(third),
        ...(fourth === "failed" ? { failed: true } : {})
      }
    case "submit":
      return {
        kind,
        partition: first,
        task: JSON.parse(line.slice(kind.length + first.length + 2)) as NewTask
      }
    case "callback":
      return { kind, task: first as TaskId, run: Number(second) }
    case undefined:
    default:
      return { kind: "cancel", task: first as TaskId }
  }
}

/** A message of the outbox as it lies there. */
export const lineOf = (message: Message): string => {
  switch (message.kind) {
    case "ended":
      return `ended ${message.child} ${message.parent} ${message.run}${message.failed === true ? " failed" : ""}`
    case "submit":
      return `submit ${message.partition} ${JSON.stringify(message.task)}`
    case "cancel":
      return `cancel ${message.task}`
    case "callback":
      return `callback ${message.task} ${message.run}`
  }
}
