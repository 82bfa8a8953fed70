/**
 * Which host names a request may go to, beside what is decided by its address (`network.ts`).
 *
 * A pattern is a name, or `*.` and a name for all that end in it: `*.example.com` means `api.example.com` and
 * `a.b.example.com`, and not `example.com`. A name is compared as browsers write it: in lower case, in ASCII, without
 * the dot of the root.
 */
import { Result } from "effect"

/** Names that may be asked, all if there are none, and names that may not, which count first. */
export interface HostRules {
  readonly allowed: ReadonlyArray<string>
  readonly denied: ReadonlyArray<string>
}

const pattern = /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/

/** Host patterns as settings have them, with commas between them. */
export const readHosts = (value: string): Result.Result<ReadonlyArray<string>, string> => {
  const hosts = value.split(",").map((host) => host.trim().toLowerCase())
  const wrong = hosts.find((host) => !isHostPattern(host))
  return wrong === undefined
    ? Result.succeed(hosts)
    : Result.fail(`"${wrong}" is no host name such as api.example.com or *.example.com`)
}

export const isHostPattern = (text: string): boolean => text.length <= 253 && pattern.test(text)

export const hostMatches = (pattern: string, host: string): boolean => {
  const name = host.toLowerCase().replace(/\.$/, "")
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern
}

export const allowsHost = ({ allowed, denied }: HostRules, host: string): boolean =>
  !denied.some((pattern) => hostMatches(pattern, host)) &&
  (allowed.length === 0 || allowed.some((pattern) => hostMatches(pattern, host)))
