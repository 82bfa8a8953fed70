/** A task's record for people to read: a decision over plain values. */
import { Duration } from "effect"
import type { AttemptView, TaskView } from "../../runtime/view.ts"
import * as Output from "./output.ts"

const iso = (millis: number) => new Date(millis).toISOString()

const stateText = ({ attempt, maxAttempts, state }: TaskView): string => {
  const paint = {
    succeeded: Output.green,
    failed: Output.red,
    expired: Output.red,
    cancelled: Output.yellow
  } as const
  const shown = state in paint ? paint[state as keyof typeof paint](state) : state
  return attempt === 0 ? shown : `${shown}, attempt ${attempt} of ${maxAttempts}`
}

const took = (from: number | undefined, to: number | undefined) =>
  from === undefined || to === undefined ? "" : ` (${Duration.format(Duration.millis(to - from)) || "0ms"})`

const errorText = ({ error }: Pick<AttemptView, "error">) =>
  error === undefined ? undefined : Output.tame(`${error.type}: ${error.message}`)

const attemptText = (attempt: AttemptView): string =>
  [
    `  ${attempt.attempt}  ${iso(attempt.startedAt)}${took(attempt.startedAt, attempt.finishedAt)}`,
    attempt.worker,
    errorText(attempt) ?? (attempt.finishedAt === undefined ? "runs" : "succeeded")
  ].join("  ")

/** One line a field, the absent ones left out. */
export const recordText = (task: TaskView): string => {
  const {
    attempts,
    dueAt,
    finishedAt,
    id,
    name,
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
