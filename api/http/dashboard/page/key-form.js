/** Asks for a key, where the system wants one. */
import { textsIn } from "./form.js"
import { h } from "./tree.js"

export const keyForm = ({ onKey, reason }) =>
  h(
    "form",
    {
      class: "key-form",
      onsubmit: (event) => {
        event.preventDefault()
        const { key } = textsIn(event.target)
        if (key !== "") onKey(key)
      }
    },
    h("h1", null, "Show a key"),
    reason === undefined ? undefined : h("p", { class: "failure", role: "alert" }, reason),
    h(
      "label",
      null,
      h("span", null, "Access key"),
      h("input", {
        name: "key",
        type: "password",
        required: true,
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "troupe_…",
        autofocus: true
      })
    ),
    h("button", { type: "submit", class: "primary" }, "Go on"),
    h(
      "p",
      { class: "note" },
      "It is kept in this tab until the tab is closed, and sent to this server only. ",
      h("code", null, "troupe keys create"),
      " makes one; the role read is enough to look."
    )
  )
