/** The small parts that views are made of. */
import { away, clockTime, cut, json, localField, fromLocalField, shortId } from "./format.js"
import { textsIn } from "./form.js"
import { filtered, hrefOf, paged } from "./route.js"
import { h } from "./tree.js"

/** Where there is nothing to say. */
export const none = "–"

export const badge = (state) => h("span", { class: `badge ${state}` }, state)

export const link = (href, ...children) => h("a", { href }, ...children)

export const taskLink = (id, text = shortId(id)) =>
  h("a", { href: hrefOf("tasks", [id]), title: id, class: "id" }, text)

/** A time as how far away it is; the time itself is shown over it. */
export const when = (iso, now) =>
  iso === undefined
    ? none
    : h("time", { datetime: iso, title: `${clockTime(iso, now)} (${iso})` }, away(Date.parse(iso), now))

/** A time as it is on the reader's clock. */
export const at = (iso, now) =>
  iso === undefined ? none : h("time", { datetime: iso, title: iso }, clockTime(iso, now))

export const tags = (names) => names.map((name) => h("span", { class: "tag" }, name))

/** A part of a page, with a heading. */
export const part = (title, ...children) =>
  h("section", { key: title, class: "part" }, h("h2", null, title), ...children)

export const empty = (text) => h("p", { class: "empty" }, text)

/** One number that matters, and where more of it is shown. */
export const tile = (label, value, { href, note, tone = "" } = {}) =>
  h(
    href === undefined ? "div" : "a",
    { class: `tile ${tone}`, href, key: label },
    h("span", { class: "label" }, label),
    h("strong", null, value),
    note === undefined ? undefined : h("span", { class: "note" }, note)
  )

/** Names with their values; those without a value are left out. */
export const facts = (pairs) =>
  h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== undefined && value !== "" && value?.length !== 0)
      .map(([name, value]) => h("div", { key: name }, h("dt", null, name), h("dd", null, value)))
  )

const blockMax = 64 * 1024

/** A text as it is written, which is scrolled where it is long. */
export const block = (text, label) => {
  const { left, text: shown } = cut(text, blockMax)
  return [
    h("pre", { class: "block", tabindex: 0, role: "region", "aria-label": label }, shown),
    left === 0 ? undefined : h("p", { class: "note" }, `… and ${left} more characters, which are not shown.`)
  ]
}

export const jsonBlock = (value, label) => block(json(value), label)

/** What something failed with: type and message, its stack on demand, and what caused it. */
export const failure = (error, deep = 0) => {
  if (error === undefined) return undefined
  const { cause, message, stack, type } = error
  return h(
    "div",
    { class: "failure" },
    h("p", null, h("strong", null, type ?? "Error"), message === undefined ? undefined : `: ${message}`),
    stack === undefined
      ? undefined
      : h("details", null, h("summary", null, "Stack"), block(stack, "The stack of the error")),
    // Causes are as deep as four.
    cause === undefined || cause === null || deep > 4
      ? undefined
      : h(
          "div",
          { class: "cause" },
          h("p", { class: "note" }, "Caused by"),
          typeof cause === "object" ? failure(cause, deep + 1) : String(cause)
        )
  )
}

/** What a click does; it is not shown to who may not do it. */
export const action = (page, name, label, onclick, tone = "") =>
  page.can(name)
    ? h("button", { type: "button", class: tone, onclick, disabled: page.isActing, key: label }, label)
    : undefined

export const actions = (...buttons) => h("div", { class: "actions" }, ...buttons)

const control = ({ kind = "text", label, name, options }, value) => {
  if (kind === "select")
    return h(
      "select",
      { name, value: value ?? "" },
      h("option", { value: "" }, "any"),
      options.map((option) => h("option", { value: option, key: option }, option))
    )
  if (kind === "time") return h("input", { name, type: "datetime-local", value: localField(value) })
  return h("input", {
    name,
    type: "search",
    value: value ?? "",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": label
  })
}

/** A form that says which are meant; what it says goes into the address. */
export const filters = ({ route }, fields) =>
  h(
    "form",
    {
      class: "filters",
      role: "search",
      // Another filter is another form: what was typed into this one is no part of it.
      key: JSON.stringify(fields.map(({ name }) => route.query[name])),
      onsubmit: (event) => {
        event.preventDefault()
        const said = textsIn(event.target)
        const over = fields.map(({ kind, name }) => {
          const text = said[name] ?? ""
          return [name, kind === "time" ? fromLocalField(text) : text]
        })
        location.hash = filtered(route, Object.fromEntries(over))
      }
    },
    fields.map((field) =>
      h("label", { key: field.name }, h("span", null, field.label), control(field, route.query[field.name]))
    ),
    h("button", { type: "submit" }, "Filter"),
    fields.some(({ name }) => route.query[name])
      ? link(filtered(route, Object.fromEntries(fields.map(({ name }) => [name, undefined]))), "Clear")
      : undefined
  )

/** Where the other pages of a list are. A page may be short, or empty, and not the last. */
export const pager = ({ route }, next) =>
  route.query.cursor === undefined && next === undefined
    ? undefined
    : h(
        "nav",
        { class: "pager", "aria-label": "Pages" },
        route.query.cursor === undefined ? undefined : link(paged(route, undefined), "First page"),
        next === undefined
          ? h("span", { class: "note" }, "This is the last page.")
          : h("a", { href: paged(route, next), rel: "next" }, "Next page")
      )
