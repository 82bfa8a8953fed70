/**
 * What options are called. A name that nobody reads is a slip of the pen, which would leave a default in place of what was
 * meant; TypeScript refuses it, but Bun runs what nobody has checked.
 */
import { nearest } from "./nearest.ts"

/** The options that there are, each by its name, so that the compiler misses none. */
export type Names<Options> = Readonly<Record<keyof Options, true>>

/** An option that there is not, and why it is refused. */
export interface Stranger {
  readonly name: string
  readonly reason: string
}

/** The first option that is none of those known. What is `undefined` says nothing. */
export const strangerAmong = (given: object, known: Readonly<Record<string, true>>): Stranger | undefined => {
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(known, name) || value === undefined) continue
    const meant = nearest(name, Object.keys(known))
    return { name, reason: `there is no such option${meant === undefined ? "" : `; did you mean ${meant}?`}` }
  }
  return undefined
}

/** Throws `TypeError` on an option that there is not; `where` is whose it is, or what it is a part of. */
export const refuseStranger = (where: string, given: object, known: Readonly<Record<string, true>>): void => {
  const stranger = strangerAmong(given, known)
  if (stranger !== undefined) throw new TypeError(`${where}${stranger.name}: ${stranger.reason}`)
}
