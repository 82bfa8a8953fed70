/** The head of the page: the menu, the way to one task by its id, who the caller is, and whether the API answers. */
import { textsIn } from "./form.js"
import { hrefOf } from "./route.js"
import { h } from "./tree.js"
import { menu } from "./views.js"

const find = () =>
  h(
    "form",
    {
      class: "find",
      role: "search",
      key: "find",
      onsubmit: (event) => {
        event.preventDefault()
        const { id } = textsIn(event.target)
        if (id === "") return
        event.target.reset()
        location.hash = hrefOf("tasks", [id])
      }
    },
    h("input", {
      name: "id",
      type: "search",
      placeholder: "Task id",
      "aria-label": "Go to a task by its id",
      autocomplete: "off",
      spellcheck: "false"
    })
  )

const who = ({ key, role, tenant }) =>
  key === undefined
    ? h(
        "span",
        { class: "who", title: "While there never was a key, everybody who reaches the API is an admin" },
        "no keys yet"
      )
    : h("span", { class: "who", title: `The key ${key}` }, `${role} of ${tenant}`)

/** How it stands with the API: `live` while it answers. */
const standing = ({ failed, loadedAtText }) =>
  failed === undefined
    ? undefined
    : h(
        "p",
        { class: "standing", role: "alert", key: "standing" },
        h("strong", null, failed),
        loadedAtText === undefined ? undefined : ` What is shown is from ${loadedAtText}.`,
        " It is asked again."
      )

export const head = ({ caller, can, failed, loadedAtText, onForget, route }) => [
  h(
    "div",
    { class: "bar" },
    h("a", { class: "brand", href: hrefOf("overview") }, "Troupe"),
    caller === undefined
      ? undefined
      : h(
          "nav",
          { class: "menu", "aria-label": "Views" },
          Object.entries(menu)
            .filter(([, { needs }]) => can(needs))
            .map(([name, { title }]) =>
              h(
                "a",
                { key: name, href: hrefOf(name), "aria-current": route.view === name ? "page" : undefined },
                title({ parts: [] })
              )
            )
        ),
    caller === undefined ? undefined : find(),
    caller === undefined ? undefined : who(caller),
    caller?.key === undefined
      ? undefined
      : h("button", { type: "button", class: "quiet", onclick: onForget }, "Forget the key")
  ),
  standing({ failed, loadedAtText })
]
