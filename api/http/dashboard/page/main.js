/** Puts the dashboard together: who is there, which view is open, and what is drawn when. */
import { may } from "./addresses.js"
import { ask } from "./api.js"
import { clockTime } from "./format.js"
import { head } from "./head.js"
import { keyForm } from "./key-form.js"
import { makeLive } from "./live.js"
import { complain, hush } from "./notices.js"
import { openPage } from "./page.js"
import { pauseMs } from "./pace.js"
import { show } from "./patch.js"
import { routeOf } from "./route.js"
import { seen } from "./seen.js"
import { serverNow } from "./server-clock.js"
import { session } from "./session.js"
import { h } from "./tree.js"
import { viewOf } from "./views.js"
import { isPassing, lineOf, wantsKey, wordsOf } from "./words.js"

const top = document.getElementById("top")
const main = document.getElementById("main")

/** How often ages are told anew, and how soon what has changed is drawn. */
const tickMs = 1_000
const drawMs = 80

let caller
let opened
/** Why nobody is let in, or why nothing is answered, before it is known who is there. */
let keyReason
let isKeyWanted = false
let beginning

const live = makeLive({
  onNews: () => opened?.tell(),
  onRefused: (error) => {
    if (wantsKey(error)) onKeyWanted()
    else complain(error)
  }
})

// ---------------------------------------------------------------------------------------------------------
// Drawing
// ---------------------------------------------------------------------------------------------------------

const problem = (error) => {
  const { more, title } = wordsOf(error)
  return h(
    "div",
    { class: "failure", key: "problem", role: "alert" },
    h("p", null, h("strong", null, title)),
    more.map((line) => h("p", { key: line }, line))
  )
}

const refused = ({ role, tenant }) =>
  h(
    "p",
    { class: "empty" },
    `The key that you show is of the role ${role} and the tenant ${tenant}, and may not see this. A task can be looked at by its id, above.`
  )

/** What a view draws. A fault of its own is told, and not a blank page. */
const drawn = (page) => {
  const { data, view } = page
  try {
    return data === undefined ? [] : [view.draw(page)].flat(Infinity)
  } catch (error) {
    console.error(error)
    return [problem(new Error("This page has a fault: the browser's console has it", { cause: error }))]
  }
}

const content = () => {
  if (isKeyWanted) return [keyForm({ onKey, reason: keyReason })]
  const route = routeOf(location.hash)
  const view = viewOf(route)
  if (view === undefined)
    return [h("h1", null, "There is no such view"), h("a", { href: "#/" }, "To the overview")]
  const heading = h("h1", { key: "title" }, view.title(route))
  if (caller === undefined) return [heading, h("p", { class: "empty" }, "Loading …")]
  if (!may(caller, view.needs)) return [heading, refused(caller)]
  if (opened === undefined) return [heading]
  const { page } = opened
  const { data, error } = page
  return [
    heading,
    // What passes is said above; what is shown meanwhile stays.
    error === undefined || isPassing(error) ? undefined : problem(error),
    data === undefined && error === undefined ? h("p", { class: "empty" }, "Loading …") : undefined,
    ...drawn(page)
  ].filter(Boolean)
}

const failedNow = () => {
  const error = beginning ?? opened?.page.error
  return error !== undefined && isPassing(error) ? lineOf(error) : undefined
}

let drawing

const draw = () => {
  // Whatever was to be drawn soon is drawn now.
  clearTimeout(drawing)
  drawing = undefined
  const route = routeOf(location.hash)
  const loadedAt = opened?.page.loadedAt
  show(
    top,
    head({
      caller,
      route,
      can: (name) => may(caller, name),
      failed: failedNow(),
      loadedAtText:
        loadedAt === undefined ? undefined : clockTime(new Date(loadedAt).toISOString(), serverNow()),
      onForget: forget
    }).filter(Boolean)
  )
  show(main, content())
  main.setAttribute("aria-busy", String(opened?.page.data === undefined && !isKeyWanted))
  const title = isKeyWanted ? "Show a key" : viewOf(route)?.title(route)
  document.title = title === undefined ? "Troupe" : `${title} · Troupe`
}

const drawSoon = () => {
  drawing ??= setTimeout(draw, drawMs)
}

// ---------------------------------------------------------------------------------------------------------
// Who is there
// ---------------------------------------------------------------------------------------------------------

const close = () => {
  opened?.close()
  opened = undefined
}

/** Takes away what this caller has seen. */
const leave = () => {
  close()
  hush()
  live.forget()
  caller = undefined
}

const wantKey = (reason) => {
  leave()
  session.forget()
  keyReason = reason
  isKeyWanted = true
  draw()
  main.querySelector("input")?.focus()
}

const forget = () => {
  wantKey("The key is forgotten.")
}

const onKey = (key) => {
  // A header takes no other letters.
  if (!/^[\x21-\x7e]+$/.test(key)) return wantKey("That is no key.")
  session.keep(key)
  isKeyWanted = false
  void begin()
}

/** What was shown counts no more, or something is to be shown now. */
const onKeyWanted = () => {
  if (caller === undefined) return
  leave()
  draw()
  void begin()
}

/** Finds out who is there, for as long as it takes, and opens the view. */
const begin = async () => {
  const { signal } = new AbortController()
  let reason
  for (let failures = 1; ; failures += 1) {
    await seen(signal)
    try {
      caller = await ask("getCaller")
      beginning = undefined
      return openRoute()
    } catch (error) {
      beginning = error
      if (wantsKey(error)) {
        beginning = undefined
        if (session.key === undefined) return wantKey(reason)
        // It may go without: a system that was made anew has no keys, and asks for none.
        reason = "This key is not known, is revoked, or is over."
        session.forget()
      } else {
        draw()
        await new Promise((resolve) => {
          setTimeout(resolve, pauseMs({ failures, retryAfterMs: error.retryAfterMs }))
        })
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Which view
// ---------------------------------------------------------------------------------------------------------

const subjectOf = ({ parts, view }) => JSON.stringify([view, parts])

const openRoute = () => {
  if (caller === undefined) return draw()
  const route = routeOf(location.hash)
  const view = viewOf(route)
  const before = opened?.page
  close()
  if (view === undefined || !may(caller, view.needs)) {
    live.want(false)
    return draw()
  }
  const isSame = before !== undefined && subjectOf(before.route) === subjectOf(route)
  opened = openPage({
    caller,
    route,
    view,
    feed: () => live.feed,
    onListen: () => live.again(),
    onDraw: drawSoon,
    onKeyWanted
  })
  live.want(view.listens === true && may(caller, "listenToTasks"))
  void opened.run()
  // Another filter keeps what is shown until its own is there.
  if (isSame) return drawSoon()
  draw()
  if (before !== undefined) {
    main.focus({ preventScroll: true })
    scrollTo(0, 0)
  }
}

addEventListener("hashchange", openRoute)
setInterval(() => {
  if (document.visibilityState === "visible" && opened?.page.data !== undefined) draw()
}, tickMs)
draw()
void begin()
