/** Whether anybody looks at the page. While nobody does it asks for nothing, and holds no connection: a browser has few of them. */

const isSeen = () => document.visibilityState === "visible"

/** Resolves when the page is seen, or over. */
export const seen = (signal) =>
  new Promise((resolve) => {
    const look = () => {
      if (!isSeen() && !signal.aborted) return
      document.removeEventListener("visibilitychange", look)
      signal.removeEventListener("abort", look)
      resolve()
    }
    document.addEventListener("visibilitychange", look)
    signal.addEventListener("abort", look)
    look()
  })

/** Calls `leave` when the page is seen no more, until what this returns is called. */
export const whenUnseen = (leave) => {
  const look = () => {
    if (!isSeen()) leave()
  }
  document.addEventListener("visibilitychange", look)
  return () => document.removeEventListener("visibilitychange", look)
}
