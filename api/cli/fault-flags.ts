/** Faults of what was submitted, told by the flags that said it. What is at fault in the input keeps its place there. */
import type { Fault } from "../../runtime/handler.ts"

const dashed = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** Options that have their own flag, or another name as one. */
const others: ReadonlyArray<readonly [path: RegExp, flag: string]> = [
  [/^\/tags\b/, "--tag"],
  [/^\/retry\/attempts$/, "--attempts"],
  [/^\/cache\/for$/, "--cache-for"],
  [/^\/unique\/key$/, "--unique-key"]
]

/** What options are called that a flag says by itself, or with what belongs to it. */
const option =
  /^\/(queue|priority|key|timeout|expires|expiresAt|deadline|delay|runAt|idempotencyKey|unique|debounce|throttle|cache|callback|dedupe|id|cron|timeZone|every|at|startAt|missed|overlap|jitter)(?:\/|$)/

const placeOf = (path: string): string => {
  const other = others.find(([at]) => at.test(path))
  if (other !== undefined) return other[1]
  const [, name] = option.exec(path) ?? []
  return name === undefined ? path || "/" : `--${dashed(name)}`
}

/** What says how options go together, and so names others. */
const together = /^(?:give either|say when it is due|says itself|goes with)\b/
const named = /\b(?:delay|runAt|expires|expiresAt|cron|every|at)\b/g

export const inFlags = ({ message, path }: Fault): Fault => ({
  path: placeOf(path),
  message: together.test(message) ? message.replaceAll(named, (name) => `--${dashed(name)}`) : message
})
