/** Keys: who may do what; making, rotating and revoking one. */
import { askingOnce } from "./asking-first.js"
import { count, duration } from "./format.js"
import { action, actions, at, badge, none, when } from "./pieces.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const roles = ["read", "submit", "operate", "admin"]
const dayMs = 86_400_000

/** The only time that a key is shown: nothing of this page keeps it. */
const tell = (page, { id, key }) =>
  page.inquire({
    title: `The key ${id}`,
    text: [
      "Copy it now: it is told this once.",
      h("textarea", { class: "secret", readonly: true, rows: 3, value: key, "aria-label": "The key" })
    ]
  })

const create = (page) =>
  page.act(async () => {
    const said = await page.inquire({
      title: "Make a key",
      button: "Make it",
      fields: [
        { name: "role", label: "Role", kind: "select", options: roles, value: "read" },
        {
          name: "tenant",
          label: "Tenant",
          placeholder: page.caller.tenant,
          hint: "Yours where nothing is said"
        },
        { name: "label", label: "Label", placeholder: "dashboard of ann" },
        {
          name: "days",
          label: "Days until it ends",
          kind: "number",
          hint: "It does not end where nothing is said"
        }
      ]
    })
    if (said === undefined) return undefined
    const body = {
      role: said.role,
      ...(said.tenant === "" ? {} : { tenant: said.tenant }),
      ...(said.label === "" ? {} : { label: said.label }),
      ...(said.days === "" ? {} : { expiresMs: Number(said.days) * dayMs })
    }
    await tell(page, await page.ask("createKey", { body }))
    return "The key counts from now on."
  })

const rotate = (page, { id }) =>
  askingOnce(page, {
    title: `Rotate the key ${id}?`,
    text: "It gets another secret. The one it has goes on for an overlap.",
    button: "Rotate the key",
    fields: [{ name: "hours", label: "Hours of overlap", kind: "number", value: 24 }],
    run: async ({ hours }) => {
      const body = hours === "" ? {} : { overlapMs: Number(hours) * 3_600_000 }
      await tell(page, await page.ask("rotateKey", { parts: { key: id }, body }))
      return `The key ${id} has another secret.`
    }
  })

const revoke = (page, { id, label }) =>
  askingOnce(page, {
    title: `Revoke the key ${id}${label === undefined ? "" : ` (${label})`}?`,
    text: [
      "No process takes it after one second, and what it has open ends. It cannot be taken back.",
      ...(id === page.caller.key
        ? [h("p", { class: "failure" }, "It is the key that you show yourself.")]
        : [])
    ],
    button: "Revoke the key",
    run: async () => {
      await page.ask("revokeKey", { parts: { key: id } })
      return `The key ${id} is revoked.`
    }
  })

const buttons = (page, key) =>
  key.state === "counts"
    ? actions(
        action(page, "rotateKey", "Rotate…", () => rotate(page, key)),
        action(page, "revokeKey", "Revoke…", () => revoke(page, key), "danger")
      )
    : undefined

export const keys = {
  title: () => "Keys",
  needs: "listKeys",
  every: () => 15_000,
  load: ({ ask }) => ask("listKeys"),
  draw: (page) => [
    page.caller.key === undefined
      ? h(
          "p",
          { class: "note" },
          "While there never was a key, everybody who reaches the API is an admin. From the first key on everybody has to show one: make one of the role admin first, and keep it."
        )
      : undefined,
    actions(action(page, "createKey", "Make a key…", () => create(page), "primary")),
    table({
      caption: "Keys, without what proves them",
      items: page.data.keys,
      keyOf: ({ id }) => id,
      nothing: "There is no key.",
      columns: [
        column("State", ({ state }) => badge(state)),
        column("Key", ({ id }) => [h("code", null, id), id === page.caller.key ? " (yours)" : undefined]),
        column("Label", ({ label }) => label ?? none),
        column("Role", ({ role }) => role),
        column("Tenant", ({ tenant }) => tenant),
        column("Rate", ({ rate }) =>
          rate === undefined ? none : `${count(rate.count)} in ${duration(rate.perMs)}`
        ),
        column("Made", ({ createdAt }) => at(createdAt, page.now)),
        column("Ends", ({ expiresAt, overlapsUntil, revokedAt }) => [
          revokedAt === undefined ? when(expiresAt, page.now) : ["revoked ", when(revokedAt, page.now)],
          overlapsUntil === undefined
            ? undefined
            : h("div", { class: "note" }, "earlier secret: ", when(overlapsUntil, page.now))
        ]),
        column("Do", (key) => buttons(page, key))
      ]
    })
  ]
}
