/** Which pages belong to a crawl: by host, by the beginning of the path, by patterns. A decision over plain values. */
import { Schema } from "effect"
import { hostMatches, isHostPattern } from "../../runtime/network/hosts.ts"

const patternsMax = 50
const starsMax = 8

/** Of path and query, where `*` stands for anything: `/blog/*`, `*.pdf`. */
const Pattern = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(512),
  Schema.makeFilter(
    (pattern) => pattern.split("*").length - 1 <= starsMax || `has more than ${starsMax} stars`
  )
)
const Patterns = Schema.Array(Pattern).check(Schema.isMaxLength(patternsMax))

export const Scope = Schema.Struct({
  /** Names, or `*.` and a name for all that end in it. Default: the hosts of the addresses it begins with. */
  hosts: Schema.optionalKey(
    Schema.Array(
      Schema.String.check(
        Schema.makeFilter(
          (host) => isHostPattern(host.toLowerCase()) || "must be a name such as example.com or *.example.com"
        )
      )
    ).check(Schema.isMinLength(1), Schema.isMaxLength(patternsMax))
  ),
  /** Only pages whose path begins so. */
  pathPrefix: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^\/\S*$/u, { message: "must be the beginning of a path, as /docs/" })
    )
  ),
  /** Only pages that one of these fits, and none that one of those does. */
  include: Schema.optionalKey(Patterns),
  exclude: Schema.optionalKey(Patterns)
})
export type Scope = typeof Scope.Type

/** Of a scope and the addresses a crawl begins with: whether an address belongs to it. */
export const within = (scope: Scope, start: ReadonlyArray<string>): ((url: string) => boolean) => {
  const own = new Set(start.map((url) => URL.parse(url)?.host))
  const include = scope.include?.map(matcher)
  const exclude = (scope.exclude ?? []).map(matcher)
  const hosts = scope.hosts?.map((host) => host.toLowerCase())
  return (address) => {
    const { host, hostname, pathname, search } = new URL(address)
    const isOwn =
      hosts === undefined ? own.has(host) : hosts.some((pattern) => hostMatches(pattern, hostname))
    const path = pathname + search
    return (
      isOwn &&
      (scope.pathPrefix === undefined || pathname.startsWith(scope.pathPrefix)) &&
      (include === undefined || include.some((fits) => fits(path))) &&
      !exclude.some((fits) => fits(path))
    )
  }
}

/** Looks for the parts between stars one after the other, so that no pattern takes long. */
const matcher = (pattern: string) => {
  const parts = pattern.split("*")
  const first = parts[0]!
  const last = parts.at(-1)!
  return (path: string): boolean => {
    if (parts.length === 1) return path === pattern
    if (!path.startsWith(first) || path.length < first.length + last.length) return false
    let at = first.length
    for (const part of parts.slice(1, -1)) {
      const found = path.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return path.endsWith(last) && path.length - last.length >= at
  }
}
