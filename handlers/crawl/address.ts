/**
 * Addresses of pages: which of them are one page, and which lead into a trap. Decisions over plain values.
 *
 * Two addresses are one page when they differ only in what servers do not see (the fragment), in how the same is written,
 * in the order of their parameters, or in parameters that tell where a visitor came from.
 */

const charactersMax = 2_048

/** A page this deep, or with so many parameters, was made by a program that makes more of them. */
const segmentsMax = 20
const parametersMax = 12

/** A path that names the same folder so often leads in a circle, as relative links on a page that is served everywhere do. */
const sameSegmentMax = 3

const tracking =
  /^(utm_\w+|gclid|fbclid|msclkid|yclid|mc_cid|mc_eid|igshid|_ga|phpsessid|jsessionid|sid|session_?id)$/i

/** The address as it is asked for; nothing for one that is not http or https, holds a password or is too long. */
export const normalise = (href: string, base?: string): string | undefined => {
  const url = URL.parse(href.trim(), base)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined
  if (url.username !== "" || url.password !== "") return undefined
  url.hash = ""
  for (const name of [...url.searchParams.keys()]) if (tracking.test(name)) url.searchParams.delete(name)
  url.pathname = plain(url.pathname.replace(/;jsessionid=[^/]*/i, ""))
  // An empty search keeps its question mark.
  if (url.search === "") url.search = ""
  url.hostname = url.hostname.replace(/\.$/, "")
  return url.href.length > charactersMax ? undefined : url.href
}

/** Escapes in capital letters, and only where they must be. */
const plain = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (escape, hex: string) => {
    const letter = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9._~-]/.test(letter) ? letter : escape.toUpperCase()
  })

/** The same text for all addresses of one page. */
export const keyOf = (normalised: string): string => {
  const url = new URL(normalised)
  url.searchParams.sort()
  return `${url.host}${url.pathname}${url.search}`
}

/** The same text for pages that one program makes: what differs between them are numbers and the values of parameters. */
export const shapeOf = (normalised: string): string => {
  const { host, pathname, searchParams } = new URL(normalised)
  const path = pathname.replace(/%[0-9A-F]{2}|\d+/g, (found) => (found.startsWith("%") ? found : "0"))
  return `${host}${path}?${[...new Set(searchParams.keys())].sort().join("&")}`
}

/** Whether an address looks as if it had no end of others beside it. */
export const isTrap = (normalised: string): boolean => {
  const { pathname, searchParams } = new URL(normalised)
  const segments = pathname.split("/").filter((segment) => segment !== "")
  const times = new Map<string, number>()
  for (const segment of segments) times.set(segment, (times.get(segment) ?? 0) + 1)
  return (
    segments.length > segmentsMax ||
    [...searchParams.keys()].length > parametersMax ||
    [...times.values()].some((count) => count > sameSegmentMax)
  )
}
