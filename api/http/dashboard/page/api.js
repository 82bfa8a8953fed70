/** Asks the API, shows the key where there is one, and makes of a refusal a `Problem`, and of silence `Away`. */
import { addresses, addressOf } from "./addresses.js"
import { noteDate } from "./server-clock.js"
import { session } from "./session.js"
import { Away, Problem } from "./words.js"

/** How long an answer to a question may take. What changes many tasks may take as long as it takes. */
const readMs = 20_000

const unsure = "The API did not answer. What was asked may have happened: look before you ask again"

const headersOf = (body) => ({
  ...(session.key === undefined ? {} : { authorization: `Bearer ${session.key}` }),
  // A change without a body says it, too: a form could not, so that no other page can send it.
  ...(body === undefined ? {} : { "content-type": "application/json" })
})

/** Opens an address. Resolves with an answer that is good; its body is not read. */
export const open = async (name, { body, headers = {}, parts, query, signal } = {}) => {
  const { method } = addresses[name]
  const sent = method === "GET" ? undefined : JSON.stringify(body ?? {})
  let response
  try {
    response = await fetch(addressOf(name, parts, query), {
      method,
      signal,
      cache: "no-store",
      headers: { ...headersOf(sent), ...headers },
      ...(sent === undefined ? {} : { body: sent })
    })
  } catch (error) {
    if (signal?.aborted && signal.reason?.name !== "TimeoutError") throw error
    throw new Away(method === "GET" ? undefined : unsure)
  }
  noteDate(response.headers.get("date"))
  if (response.ok) return response
  throw await problemIn(response)
}

const problemIn = async (response) => {
  const type = response.headers.get("content-type") ?? ""
  if (!type.startsWith("application/problem+json")) {
    return response.status >= 502 && response.status <= 504
      ? new Away(`A proxy before the API answers ${response.status}`)
      : new Problem(response.status)
  }
  try {
    return new Problem(response.status, {
      ...(await response.json()),
      request: response.headers.get("x-request-id") ?? undefined
    })
  } catch {
    return new Problem(response.status)
  }
}

const bounded = (name, signal) =>
  addresses[name].method === "GET"
    ? AbortSignal.any([AbortSignal.timeout(readMs), ...(signal === undefined ? [] : [signal])])
    : signal

/** The answer's JSON; `undefined` where it has no body. */
export const ask = async (name, options = {}) => {
  const signal = bounded(name, options.signal)
  const response = await open(name, { ...options, signal })
  if (response.status === 204) return undefined
  const type = response.headers.get("content-type") ?? ""
  if (!type.startsWith("application/json"))
    throw new Away(
      "Something else than the API has answered: a proxy may want you to sign in. Load this page anew"
    )
  try {
    return await response.json()
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new Away("The answer of the API broke off")
  }
}
