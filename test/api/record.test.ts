import { describe, expect, test } from "bun:test"
import { recordText } from "../../api/cli/record.ts"
import { idIn } from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"

const at = Date.UTC(2030, 0, 1, 9)

const aTask = (over: Partial<TaskView>): TaskView => ({
  id: idIn("default.0", "01JCKZ4M8Q6T3V5W7X9Y0ABCDE"),
  name: "shop.add",
  queue: "default",
  priority: "normal",
  state: "queued",
  attempt: 0,
  maxAttempts: 3,
  tags: [],
  submittedAt: at,
  attempts: [],
  ...over
})

describe("a record to read", () => {
  test("leaves out what is not known", () => {
    expect(recordText(aTask({})).split("\n")).toEqual([
      "id         default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE",
      "name       shop.add",
      "state      queued",
      "queue      default, priority normal",
      "submitted  2030-01-01T09:00:00.000Z"
    ])
  })

  test("shows how far a run is, and what the ones before failed with", () => {
    const failed = { attempt: 1, worker: "w1", startedAt: at, finishedAt: at + 1_500 }
    const task = aTask({
      state: "running",
      attempt: 2,
      worker: "w2",
      startedAt: at + 3_000,
      progress: { fraction: 0.456, message: "page 6" },
      tags: ["a", "b"],
      attempts: [
        { ...failed, error: { type: "Error", message: "no\nluck\u001b[2J" } },
        { attempt: 2, worker: "w2", startedAt: at + 3_000 }
      ]
    })

    expect(recordText(task).split("\n").slice(2)).toEqual([
      "state      running, attempt 2 of 3",
      "progress   46 %  page 6",
      "queue      default, priority normal",
      "tags       a, b",
      "submitted  2030-01-01T09:00:00.000Z",
      "started    2030-01-01T09:00:03.000Z",
      "worker     w2",
      "attempts",
      "  1  2030-01-01T09:00:00.000Z (1s 500ms)  w1  Error: no luck[2J",
      "  2  2030-01-01T09:00:03.000Z  w2  runs"
    ])
  })

  test("counts the runs that may fail, and says which were none of them", () => {
    const waited = { attempt: 1, worker: "w1", startedAt: at, finishedAt: at + 20, counted: false as const }
    const task = aTask({
      state: "succeeded",
      attempt: 2,
      maxAttempts: 4,
      attempts: [waited, { attempt: 2, worker: "w2", startedAt: at + 30, finishedAt: at + 40 }]
    })

    const lines = recordText(task).split("\n")

    expect(lines[2]).toBe("state      succeeded, attempt 2 (1 of 3 that count)")
    expect(lines.slice(-2)).toEqual([
      "  1  2030-01-01T09:00:00.000Z (20ms)  w1  ended to go on later",
      "  2  2030-01-01T09:00:00.030Z (10ms)  w2  succeeded"
    ])
  })

  test("shows when a task is due", () => {
    expect(recordText(aTask({ state: "scheduled", dueAt: at + 60_000 }))).toContain(
      "due        2030-01-01T09:01:00.000Z"
    )
  })
})
