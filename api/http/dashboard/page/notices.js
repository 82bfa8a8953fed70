/** What has just been done, or could not be: said once, in words, beneath the head of the page. What went wrong stays until it is read. */
import { show } from "./patch.js"
import { h } from "./tree.js"
import { wordsOf } from "./words.js"

const goneAfterMs = 6_000
const keptMax = 4

let notices = []
let last = 0

const draw = () =>
  show(
    document.getElementById("said"),
    notices.map(({ id, more, title, tone }) =>
      h(
        "div",
        { key: id, class: `notice ${tone}` },
        h(
          "p",
          null,
          h("strong", null, title),
          more.map((line) => ` ${line}`)
        ),
        h("button", { type: "button", "aria-label": "Dismiss", onclick: () => drop(id) }, "×")
      )
    )
  )

const drop = (id) => {
  clearTimeout(notices.find((notice) => notice.id === id)?.timer)
  notices = notices.filter((notice) => notice.id !== id)
  draw()
}

/** Takes all of them away: what one caller was told is not the next one's. */
export const hush = () => {
  for (const { id } of notices) drop(id)
}

const add = (notice) => {
  notices = [...notices, { id: ++last, more: [], ...notice }]
  for (const { id } of notices.slice(0, -keptMax)) drop(id)
  draw()
}

export const say = (title) => {
  const id = last + 1
  add({ title, tone: "good", timer: setTimeout(() => drop(id), goneAfterMs) })
}

export const complain = (error) => add({ ...wordsOf(error), tone: "bad" })
