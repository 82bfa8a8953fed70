/** Queues: how each stands, and pausing, bounding and emptying one. */
import { pager } from "./pieces.js"
import { filtersIn } from "./route.js"
import { queueTable } from "./queue-table.js"
import { h } from "./tree.js"

export const queues = {
  title: () => "Queues",
  needs: "listQueues",
  load: ({ ask, route }) => ask("listQueues", { query: { limit: 100, ...filtersIn(route, ["cursor"]) } }),
  draw: (page) => [
    h(
      "p",
      { class: "note" },
      "What waits stands in the lane of its priority; boxed is what waits for its key or its limits. A cancelled task counts until it is met."
    ),
    queueTable(page, page.data.queues, { withActions: true }),
    pager(page, page.data.next)
  ]
}
