/** What the address says after the `#`: a view, what it is about, and its filters. So each can be kept, sent and reloaded. */

const decoded = (text) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `#/tasks?state=failed` is the view `tasks` with a query; `#/agents/shop.cart/user-7` has two parts. */
export const routeOf = (hash) => {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s)
  const [view = "", ...parts] = path.split("/").map(decoded)
  return {
    view: view === "" ? "overview" : view,
    parts: parts.filter((part) => part !== ""),
    query: Object.fromEntries(new URLSearchParams(query))
  }
}

/** The address of a view. What is empty in a query is left out. */
export const hrefOf = (view, parts = [], query = {}) => {
  const path = [view, ...parts.map(encodeURIComponent)].join("/")
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== "")
  return said.length === 0 ? `#/${path}` : `#/${path}?${new URLSearchParams(said).toString()}`
}

/** The same with another filter, from its first page on. */
export const filtered = ({ parts, query, view }, over) => {
  const { cursor: _, ...rest } = query
  return hrefOf(view, parts, { ...rest, ...over })
}

/** The same on its next page, or on its first. */
export const paged = ({ parts, query, view }, cursor) => hrefOf(view, parts, { ...query, cursor })

/** What is asked of a list: its filters, as far as it knows them. */
export const filtersIn = ({ query }, names) =>
  Object.fromEntries(names.flatMap((name) => (query[name] ? [[name, query[name]]] : [])))
