/**
 * Follows a stream of the API for as long as it is wanted, and goes on where it was when it breaks.
 *
 * It is read by `fetch` and not by an `EventSource`: that sends no header, so it would need a ticket in the address, a new one
 * each time it comes back.
 */
import { open } from "./api.js"
import { makeFrames } from "./frames.js"
import { pauseMs } from "./pace.js"
import { seen, whenUnseen } from "./seen.js"
import { isPassing, Problem } from "./words.js"

/** A stream says at least every five seconds that it lives. One that is silent for so long is gone, as after a sleep. */
const silentMs = 20_000

const later = (ms, signal) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener("abort", done)
  })

/** Reads one connection to its end. */
const readAll = async (response, cut, onFrames) => {
  const frames = makeFrames()
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  const stay = whenUnseen(() => cut.abort())
  let timer
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => cut.abort(), silentMs)
  }
  try {
    for (alive(); ; alive()) {
      const { done, value } = await reader.read()
      if (done) return
      const read = frames(decoder.decode(value, { stream: true }))
      if (read.length > 0) onFrames(read)
    }
  } finally {
    clearTimeout(timer)
    stay()
  }
}

/**
 * Calls `onFrames` with events as they come, those after a place if it is given one. Resolves after the event `end`, where there is nothing more, or when `signal` says
 * so; rejects with a `Problem` that does not pass. `onState` hears whether it is connected.
 */
export const follow = async (name, { from, onFrames, onState = () => {}, parts, query = {}, signal }) => {
  let after = from
  let ended = false
  let failures = 0
  const take = (frames) => {
    const read = frames.map(({ data, event, id }) => ({ event, id, data: JSON.parse(data) }))
    after = read.findLast(({ id }) => id !== undefined)?.id ?? after
    ended ||= read.some(({ event }) => event === "end")
    failures = 0
    onFrames(read)
  }
  for (;;) {
    await seen(signal)
    if (signal.aborted) return
    const cut = new AbortController()
    try {
      const response = await open(name, {
        parts,
        query: { ...query, after },
        signal: AbortSignal.any([signal, cut.signal])
      })
      if (response.status === 204) return
      onState(true)
      await readAll(response, cut, take)
    } catch (error) {
      if (signal.aborted) return
      // The place that it was at is no longer one: it begins anew.
      if (error instanceof Problem && error.type === "invalid-position" && after !== undefined)
        after = undefined
      else if (error instanceof Problem && !isPassing(error)) throw error
    }
    if (signal.aborted || ended) return
    onState(false)
    failures += 1
    await later(pauseMs({ failures }), signal)
  }
}
