/** What a server says of when to come back: the header `Retry-After`, so many seconds or a time. */

/** In milliseconds, from 0 to `maxMs`; nothing where the header is absent or cannot be read. */
export const retryAfterMs = (header: string | null, now: number, maxMs: number): number | undefined => {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), maxMs)
}
