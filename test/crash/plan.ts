/** What a submitter of the crash tests does: something of everything it can be told. */
import type { Planned } from "./programs/submitter.ts"

/** `gate` is where the task waits that is cancelled while it runs. */
export const planOf = (gate: string): ReadonlyArray<Planned> => {
  const under = { idempotencyKey: "order 7" }
  return [
    { op: "submit", label: "plain", name: "crash.steps" },
    {
      op: "submit",
      label: "keyed",
      name: "crash.flaky",
      options: under,
      input: { label: "keyed" },
      terms: { ...under, work: "flaky", runs: 2 }
    },
    // The same work under the same key is the same task, though its submitter does not know that.
    {
      op: "submit",
      label: "keyed again",
      name: "crash.flaky",
      options: under,
      input: { label: "keyed" },
      terms: { ...under, work: "flaky", runs: 2 }
    },
    {
      op: "submit",
      label: "other work",
      name: "crash.flaky",
      options: under,
      input: { label: "other work" },
      terms: { ...under, work: "other" }
    },
    // It would wait for longer than anybody looks.
    {
      op: "submit",
      label: "delayed",
      name: "crash.steps",
      options: { idempotencyKey: "delayed", delay: "1 hour" },
      terms: { idempotencyKey: "delayed", work: "steps" }
    },
    { op: "reschedule", label: "delayed" },
    { op: "submit", label: "unfit", name: "crash.steps", input: { label: 7 } },
    { op: "submit", label: "nobody's", name: "crash.nobody" },
    {
      op: "submit",
      label: "unwanted",
      name: "crash.stubborn",
      input: { gate },
      options: { idempotencyKey: "unwanted" },
      terms: { idempotencyKey: "unwanted", work: "stubborn", state: "cancelled" }
    },
    { op: "cancel", label: "unwanted" }
  ]
}
