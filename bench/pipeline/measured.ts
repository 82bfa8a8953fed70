/** What both sides of the bench of the pipeline are given, and what they say. */

/** What one side took. */
export interface Took {
  readonly seconds: number
  /** Of all threads of the processes that do the work. */
  readonly cpuMicros: number
  readonly chunks: number
}

/** No model: it would take most of the time on both sides, and hide what the engine costs. */
export const model = "hash"
