/** Lists as tables; on a narrow screen each row is a card, whose cells name themselves. */
import { empty } from "./pieces.js"
import { h } from "./tree.js"

/** A column: what it is called, what stands in it, and whether that is a number. */
export const column = (label, cell, { isNumber = false } = {}) => ({ label, cell, isNumber })

const box = (label, isChecked, onchange) =>
  h("input", { type: "checkbox", "aria-label": label, checked: isChecked, onchange })

const selectionOf = ({ redraw, selected }, items, keyOf) => {
  const keys = items.map(keyOf)
  const isAll = keys.length > 0 && keys.every((key) => selected.has(key))
  const set = (some, isIn) => {
    for (const key of some) {
      if (isIn) selected.add(key)
      else selected.delete(key)
    }
    redraw()
  }
  return {
    head: h(
      "th",
      { class: "check", scope: "col" },
      box("Choose all on this page", isAll, ({ target }) => set(keys, target.checked))
    ),
    cell: (key) =>
      h(
        "td",
        { class: "check" },
        box(`Choose ${key}`, selected.has(key), ({ target }) => set([key], target.checked))
      )
  }
}

/** `choice` lets rows be chosen: the keys of those that are, and how to draw anew. */
export const table = ({ caption, choice, columns, items, keyOf, nothing }) => {
  if (items.length === 0) return empty(nothing)
  const shown = columns.filter((one) => one !== undefined)
  const selection = choice === undefined ? undefined : selectionOf(choice, items, keyOf)
  const classOf = ({ isNumber }) => (isNumber ? "number" : undefined)
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      null,
      h("caption", null, caption),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          selection?.head,
          shown.map((one) => h("th", { scope: "col", key: one.label, class: classOf(one) }, one.label))
        )
      ),
      h(
        "tbody",
        null,
        items.map((item) =>
          h(
            "tr",
            { key: keyOf(item) },
            selection?.cell(keyOf(item)),
            shown.map((one) =>
              h("td", { key: one.label, "data-label": one.label, class: classOf(one) }, one.cell(item))
            )
          )
        )
      )
    )
  )
}
