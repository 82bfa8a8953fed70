/** Asks before something is done, in a window over the page; Escape and Cancel mean no. */
import { textsIn } from "./form.js"
import { show } from "./patch.js"
import { h } from "./tree.js"

const control = ({ kind = "text", name, options, placeholder, required = false, value = "" }) => {
  if (kind === "select")
    return h(
      "select",
      { name, value },
      options.map((option) => h("option", { value: option }, option))
    )
  if (kind === "long") return h("textarea", { name, rows: 8, spellcheck: "false", value })
  const type = kind === "number" ? "number" : "text"
  return h("input", { name, type, value, required, placeholder, autocomplete: "off", min: 1, step: 1 })
}

const fieldOf = (field) =>
  h(
    "label",
    { key: field.name },
    h("span", null, field.label),
    control(field),
    field.hint === undefined ? undefined : h("small", null, field.hint)
  )

/** Resolves with what was said in the fields, or with `undefined` for no. */
export const inquire = ({ button, fields = [], isDangerous = false, signal, text = [], title }) =>
  new Promise((resolve) => {
    const dialog = document.createElement("dialog")
    dialog.setAttribute("aria-label", title)
    let said
    const onsubmit = (event) => {
      event.preventDefault()
      said = textsIn(event.target)
      dialog.close()
    }
    const leave = () => dialog.close()
    signal.addEventListener("abort", leave)
    dialog.addEventListener("close", () => {
      signal.removeEventListener("abort", leave)
      dialog.remove()
      resolve(said)
    })
    show(dialog, [
      h(
        "form",
        { onsubmit },
        h("h2", null, title),
        [text].flat().map((line) => (typeof line === "string" ? h("p", null, line) : line)),
        fields.map(fieldOf),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", onclick: leave }, button === undefined ? "Close" : "Leave it"),
          button === undefined
            ? undefined
            : h("button", { type: "submit", class: isDangerous ? "danger" : "primary" }, button)
        )
      )
    ])
    document.body.append(dialog)
    dialog.showModal()
  })
