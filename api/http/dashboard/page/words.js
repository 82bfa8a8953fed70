/** What went wrong, in words: problems as the API says them (RFC 9457), and an API that says nothing. */

/** The API refused. It has said why. */
export class Problem extends Error {
  constructor(status, said = {}) {
    super(said.detail ?? said.title ?? `the answer was ${status}`)
    this.status = status
    this.type = said.type ?? "none"
    this.title = said.title ?? `The answer was ${status}`
    this.detail = said.detail
    this.errors = Array.isArray(said.errors) ? said.errors : []
    this.retryAfterMs = said.retryAfterMs ?? 0
    this.error = said.error
    this.request = said.request
  }
}

/** Nobody has answered, or somebody else than the API. */
export class Away extends Error {
  constructor(message = "The API does not answer") {
    super(message)
    this.retryAfterMs = 0
  }
}

/** What to do about it, where the problem itself does not say so. */
const hints = {
  "going-away": "This process is stopping; another one will answer.",
  "too-fast": "The key makes more requests than it may. The page waits.",
  "payload-unreadable": "It was sealed with an encryption key that this process does not have.",
  internal: "The log of the API has it under the id of the request."
}

/** Whether asking again later may help. */
export const isPassing = (error) =>
  error instanceof Away || (error instanceof Problem && (error.status === 429 || error.status >= 500))

/** Whether somebody has to show a key, or another one. */
export const wantsKey = (error) => error instanceof Problem && error.status === 401

/** A title, and what there is to say beyond it. */
export const wordsOf = (error) => {
  if (!(error instanceof Problem)) return { title: error.message || "Something went wrong", more: [] }
  const { detail, errors, request, title, type } = error
  const faults = errors.map(({ message, path }) => (path ? `${path}: ${message}` : message))
  const said = faults.length > 0 ? faults : detail === undefined ? [] : [detail]
  const hint = hints[type]
  const traced = type === "internal" && request !== undefined ? [`Request ${request}`] : []
  return { title, more: [...said, ...(hint === undefined ? [] : [hint]), ...traced] }
}

/** The same in one line. */
export const lineOf = (error) => {
  const { more, title } = wordsOf(error)
  return [`${title}.`, ...more].join(" ")
}
