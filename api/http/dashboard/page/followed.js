/** What a task has put out so far, made of its events: a decision over plain values, which forgets what is too old to be shown. */

const linesMax = 500
const textMax = 64 * 1024

export const nothingFollowed = {
  lines: [],
  text: "",
  cutText: 0,
  progress: undefined,
  attempt: 0,
  ended: undefined,
  missed: 0
}

/** An end of a text that fits; characters are counted that do not. */
const appended = ({ cutText, text }, more) => {
  const whole = text + more
  const over = Math.max(0, whole.length - textMax)
  return { text: over === 0 ? whole : whole.slice(over), cutText: cutText + over }
}

const withLine = (state, line) => ({ ...state, lines: [...state.lines, line].slice(-linesMax) })

const steps = {
  state: (state, { attempt, state: now }) => ({ ...state, attempt, now }),
  progress: (state, { fraction, message }) => ({ ...state, progress: { fraction, message } }),
  log: (state, { attempt, level, message, seq }) =>
    withLine(state, { id: `${attempt}-${seq}`, kind: level, text: message }),
  step: (state, { attempt, name, seq }) =>
    withLine(state, { id: `${attempt}-${seq}`, kind: "step", text: `${name} is done` }),
  chunk: (state, { attempt, chunk, seq }) =>
    typeof chunk === "string"
      ? { ...state, ...appended(state, chunk) }
      : withLine(state, { id: `${attempt}-${seq}`, kind: "chunk", text: JSON.stringify(chunk) }),
  // What earlier attempts have put out counts no more; what they logged is still of use.
  attempt: (state, { attempt }) =>
    withLine(
      { ...state, text: "", cutText: 0, progress: undefined, attempt },
      { id: `attempt-${attempt}`, kind: "attempt", text: `Attempt ${attempt} begins, from the start` }
    ),
  gap: (state, { from, to }) => ({ ...state, missed: state.missed + Math.max(0, to - from + 1) }),
  end: (state, { error, state: ended }) => ({ ...state, ended: { state: ended, error } })
}

/** What is known after some events. Those of a kind that is not known are passed over. */
export const noteEvents = (state, frames) =>
  frames.reduce((known, { data, event }) => {
    const step = Object.hasOwn(steps, event) ? steps[event] : undefined
    return step === undefined ? known : step(known, data)
  }, state)
