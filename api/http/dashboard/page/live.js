/**
 * The news of all tasks, by one stream for the whole page: it is open while the page is seen and a view wants it. Where there
 * are too many it is closed, until somebody asks for it again: to tell them costs the API more than to count them.
 */
import { newsTypes, noNews, noteNews } from "./feed.js"
import { follow } from "./stream.js"

export const makeLive = ({ onNews, onRefused }) => {
  let feed = noNews
  let open
  let place
  let isWanted = false

  const close = () => {
    open?.abort()
    open = undefined
  }

  const begin = () => {
    const controller = new AbortController()
    open = controller
    void follow("listenToTasks", {
      from: place,
      query: { type: newsTypes.join(",") },
      signal: controller.signal,
      onFrames: (frames) => {
        place = frames.findLast(({ id }) => id !== undefined)?.id ?? place
        feed = noteNews(feed, frames, performance.now())
        if (feed.isFlooded) close()
        onNews()
      }
    }).catch(onRefused)
  }

  return {
    get feed() {
      return feed
    },
    /** Opens it, or closes it; as often as one likes. */
    want(isIt) {
      isWanted = isIt
      if (!isIt) return close()
      if (open === undefined && !feed.isFlooded) begin()
    },
    /** Listens again, from now on: where it was is long ago. */
    again() {
      feed = noNews
      place = undefined
      this.want(isWanted)
    },
    /** What another caller has seen is not this one's. */
    forget() {
      this.want(false)
      this.again()
    }
  }
}
