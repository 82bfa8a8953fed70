/**
 * How long a run that this worker has no code for is left to workers that may have it, as while a new version is being
 * rolled out: a decision over plain values.
 */
import { type Entry, runOfEntry } from "../../runtime/task.ts"

/** How soon another worker is asked, in milliseconds. */
export const askAgainMs = 1_000

/** After how many runs it is a failure like any other: ten minutes at the least. */
export const patientRunsMax = 600

/** Whether it goes to another worker, and no attempt is used up. */
export const isPatient = (entry: Entry): boolean => runOfEntry(entry) < patientRunsMax
