/** The audit log: what operators did, and what came of it. */
import { at, badge, pager } from "./pieces.js"
import { filtersIn } from "./route.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

export const audit = {
  title: () => "Audit log",
  needs: "listAudit",
  load: ({ ask, route }) => ask("listAudit", { query: { limit: 100, ...filtersIn(route, ["cursor"]) } }),
  draw: (page) => [
    table({
      caption: "What operators did, the newest first",
      items: page.data.entries,
      keyOf: ({ id }) => id,
      nothing: "Nothing is noted.",
      columns: [
        column("When", (entry) => at(entry.at, page.now)),
        column("Who", ({ role, who }) => [h("code", null, who), h("span", { class: "note" }, ` ${role}`)]),
        column("Tenant", ({ tenant }) => tenant),
        column("What", ({ what }) => what),
        column("On", ({ on }) => h("code", { class: "whole" }, on)),
        column("Outcome", ({ outcome }) => badge(outcome)),
        column("Request", ({ request }) =>
          request === undefined ? "–" : h("code", { class: "note" }, request)
        )
      ]
    }),
    pager(page, page.data.next)
  ]
}
