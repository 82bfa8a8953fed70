/** What both sides of the bench of the pipeline are given, and what they say. */

/** What one side took. */
export interface Took {
  readonly seconds: number
  /** Of all threads of the processes that do the work. */
  readonly cpuMicros: number
  readonly chunks: number
}

/**
 * By what texts are embedded: by the model of this machine, as they are where nobody says otherwise, or by hashes, which take
 * next to no time, so that what the engine costs is seen bare.
 */
export const models = ["local", "hash"] as const
export type Model = (typeof models)[number]
