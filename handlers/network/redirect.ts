/** What follows a redirect: a decision over plain values, as the Fetch standard has it. */

/** One request of a chain. */
export interface Hop {
  readonly url: URL
  readonly method: string
  /** Whether the body goes along. */
  readonly body: boolean
  /** Whether it goes where the first one went, so that what was meant for that server may go along. */
  readonly own: boolean
}

export const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

/** The request that a redirect of `hop` to `url` asks for. */
export const follow = (hop: Hop, status: number, url: URL): Hop => {
  const asGet =
    (status === 303 && hop.method !== "HEAD") || ((status === 301 || status === 302) && hop.method === "POST")
  return {
    url,
    method: asGet ? "GET" : hop.method,
    body: hop.body && !asGet,
    own: hop.own && url.origin === hop.url.origin
  }
}
