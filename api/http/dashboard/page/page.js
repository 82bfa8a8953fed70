/**
 * One view while it is open: it is loaded, drawn, and loaded again at the pace of `pace.js`, until it is closed. What a view
 * is handed as `page` is made here.
 */
import { addresses, may } from "./addresses.js"
import { ask } from "./api.js"
import { inquire } from "./dialog.js"
import { complain, say } from "./notices.js"
import { refusedMs, makeBell, newsPauseMs, pauseMs } from "./pace.js"
import { seen } from "./seen.js"
import { serverNow } from "./server-clock.js"
import { isPassing, wantsKey } from "./words.js"

/** `onDraw` is called when there is something to be drawn anew, `onKeyWanted` when the key counts no more. */
export const openPage = ({ caller, feed, onDraw, onKeyWanted, onListen, route, view }) => {
  const controller = new AbortController()
  const { signal } = controller
  const bell = makeBell()
  let tookMs = 0

  const page = {
    route,
    view,
    caller,
    signal,
    /** Asks in a window over the page. Who leaves the view has said no. */
    inquire: (inquiry) => inquire({ ...inquiry, signal }),
    /** What the view remembers of itself while it is open. */
    local: {},
    /** Whether something is being done. */
    isActing: false,
    data: undefined,
    error: undefined,
    loadedAt: undefined,
    get now() {
      return serverNow()
    },
    get feed() {
      return feed()
    },
    can: (name) => may(caller, name),
    /** Who leaves the view wants no answer; what was begun goes on. */
    ask: (name, options) => ask(name, addresses[name].method === "GET" ? { ...options, signal } : options),
    redraw: onDraw,
    /** Listens to the news again, after there were too many. */
    listen: () => {
      onListen()
      onDraw()
    },
    reload: (atLeastMs) => bell.ring(atLeastMs),
    /** Does one thing at a time; says what `run` resolves with, or why it could not be done, and loads the view again. */
    act: async (run) => {
      if (page.isActing) return
      page.isActing = true
      onDraw()
      try {
        const done = await run()
        if (done !== undefined) say(done)
      } catch (error) {
        if (wantsKey(error)) onKeyWanted()
        else if (!signal.aborted || error.name !== "AbortError") complain(error)
      } finally {
        page.isActing = false
        page.reload()
        onDraw()
      }
    }
  }

  /** Loads it, and says how long to wait then, in milliseconds; nothing where it is over. */
  const load = async (failures) => {
    const begunAt = performance.now()
    try {
      page.data = await view.load(page)
      page.loadedAt = page.now
      page.error = undefined
    } catch (error) {
      if (signal.aborted) return undefined
      if (wantsKey(error)) {
        onKeyWanted()
        return undefined
      }
      page.error = error
      // What is refused, as what is no longer there, is shown no more.
      if (!isPassing(error)) page.data = undefined
    }
    tookMs = performance.now() - begunAt
    if (page.error === undefined) return pauseMs({ every: view.every?.(page), tookMs })
    return isPassing(page.error)
      ? pauseMs({ failures: failures + 1, retryAfterMs: page.error.retryAfterMs })
      : refusedMs
  }

  const run = async () => {
    let failures = 0
    for (;;) {
      await seen(signal)
      if (signal.aborted) return
      const ms = await load(failures)
      if (signal.aborted || ms === undefined) return
      failures = page.error === undefined ? 0 : failures + 1
      onDraw()
      await bell.wait(ms, signal)
    }
  }

  return {
    page,
    run,
    close: () => controller.abort(),
    /** Something has happened to tasks. An API that has just failed is left to its pause. */
    tell: () => {
      if (view.changesWithNews === true && page.error === undefined) bell.ring(newsPauseMs({ tookMs }))
      onDraw()
    }
  }
}
