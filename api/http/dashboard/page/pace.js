/** When a view is asked for again: so that it is fresh, and no API is kept busy by those who look at it. */

/** How often a view is asked for while nothing is heard. */
export const quietMs = 5_000

/** How soon it may be asked for again when something has happened. */
export const newsMs = 1_500

/** The longest wait for an API that does not answer. */
export const awayMaxMs = 5_000

/** How long to wait where the API has refused: it will again, unless something has changed meanwhile. */
export const refusedMs = 15_000

/** An API that takes long to answer is given four times as long before it is asked again. */
const restMs = (tookMs) => tookMs * 4

/** How long to wait after an answer, or after so many failures in a row. */
export const pauseMs = ({ every = quietMs, failures = 0, retryAfterMs = 0, tookMs = 0 }) =>
  failures === 0
    ? Math.max(every, restMs(tookMs))
    : Math.max(retryAfterMs, Math.min(awayMaxMs, 1_000 * 2 ** (failures - 1)))

/** How long to wait at least, when something has happened. */
export const newsPauseMs = ({ tookMs = 0 }) => Math.max(newsMs, restMs(tookMs))

/** A wait that others may end: at once, or not before so long after it has begun. */
export const makeBell = () => {
  let due = Infinity
  let arm = () => {}
  return {
    /** Resolves after so long, or when it was rung, or over. It may have been rung before anybody waited. */
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const begunAt = performance.now()
        let timer
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener("abort", done)
          due = Infinity
          arm = () => {}
          resolve()
        }
        signal.addEventListener("abort", done)
        arm = () => {
          clearTimeout(timer)
          timer = setTimeout(done, Math.max(0, Math.min(ms, due) - (performance.now() - begunAt)))
        }
        if (signal.aborted) done()
        else arm()
      }),
    ring: (atLeastMs = 0) => {
      due = Math.min(due, atLeastMs)
      arm()
    }
  }
}
