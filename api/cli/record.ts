/** A task's record for people to read: a decision over plain values. */
import { Duration } from "effect"
import type { AttemptView, TaskView } from "../../runtime/view.ts"
import * as Output from "./output.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** Runs that use up no attempt move both numbers up: what is left without them is what a policy says. */
const attemptOf = ({ attempt, attempts, maxAttempts }: TaskView): string => {
  const others = attempts.filter(({ counted }) => counted === false).length
  return others === 0
    ? `attempt ${attempt} of ${maxAttempts}`
    : `attempt ${attempt} (${attempt - others} of ${maxAttempts - others} that count)`
}

const stateText = (task: TaskView): string => {
  const { attempt, state } = task
  const paint = {
    succeeded: Output.green,
    failed: Output.red,
    expired: Output.red,
    cancelled: Output.yellow
  } as const
  const shown = state in paint ? paint[state as keyof typeof paint](state) : state
  return attempt === 0 ? shown : `${shown}, ${attemptOf(task)}`
}

const took = (from: number | undefined, to: number | undefined) =>
  from === undefined || to === undefined ? "" : ` (${Duration.format(Duration.millis(to - from)) || "0ms"})`

const errorText = ({ error }: Pick<AttemptView, "error">) =>
  error === undefined ? undefined : Output.tame(`${error.type}: ${error.message}`)

/** Without an error, one that does not count has ended to wait: for its children, or for a time. */
const endText = (attempt: AttemptView): string => {
  if (attempt.finishedAt === undefined) return "runs"
  return attempt.counted === false ? "ended to go on later" : "succeeded"
}

const attemptText = (attempt: AttemptView): string =>
  [
    `  ${attempt.attempt}  ${iso(attempt.startedAt)}${took(attempt.startedAt, attempt.finishedAt)}`,
    attempt.worker,
    errorText(attempt) ?? endText(attempt)
  ].join("  ")

/** One line a field, the absent ones left out. */
export const recordText = (task: TaskView): string => {
  const {
    attempts,
    dueAt,
    finishedAt,
    id,
    name,
    parent,
    priority,
    progress,
    queue,
    startedAt,
    submittedAt,
    tags,
    worker
  } = task
  const rows: ReadonlyArray<readonly [label: string, value: string | false | undefined]> = [
    ["id", id],
    ["name", name],
    ["state", stateText(task)],
    [
      "progress",
      progress && `${Math.round(progress.fraction * 100)} %  ${Output.tame(progress.message ?? "")}`.trimEnd()
    ],
    ["queue", `${queue}, priority ${priority}`],
    ["parent", parent],
    ["tags", tags.length > 0 && Output.tame(tags.join(", "))],
    ["submitted", iso(submittedAt)],
    ["due", dueAt !== undefined && iso(dueAt)],
    ["started", startedAt !== undefined && iso(startedAt)],
    ["finished", finishedAt !== undefined && `${iso(finishedAt)}${took(startedAt, finishedAt)}`],
    ["worker", worker],
    ["error", errorText(task)],
    ["attempts", attempts.length > 0 && ["", ...attempts.map(attemptText)].join("\n")]
  ]
  return rows
    .flatMap(([label, value]) => (value ? [`${label.padEnd(11)}${value}`.replace(/ +\n/, "\n")] : []))
    .join("\n")
}
