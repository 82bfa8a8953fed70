/** What a pipeline of commands was answered: each answer in its place, or the first of the errors. */

/** Throws where a command of it failed: all that were sent have run or failed by then. */
export const answersOf = <A>(
  replies: ReadonlyArray<readonly [Error | null, unknown]> | null
): ReadonlyArray<A> =>
  (replies ?? []).map(([error, answer]) => {
    if (error !== null) throw error
    return answer as A
  })
