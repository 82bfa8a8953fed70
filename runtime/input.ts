/**
 * Reads JSON from strangers: bounded in depth, and without keys that would reach an object's prototype.
 *
 * The depth is counted before anything is parsed, since a parser of text a million levels deep needs a stack as deep.
 */
import { Result } from "effect"
import { type Fault, pointer } from "./handler.ts"

/** How deep arrays and objects may be nested. */
export const depthMax = 64

const forbidden = new Set(["__proto__", "constructor", "prototype"])

/** The depth at which text goes beyond `depthMax`, as JSON would nest it. */
const tooDeep = (text: string): boolean => {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === 92) at++
      else if (code === 34) quoted = false
    } else if (code === 34) quoted = true
    else if (code === 123 || code === 91) {
      depth += 1
      if (depth > depthMax) return true
    } else if (code === 125 || code === 93) depth -= 1
  }
  return false
}

/** Whether a value has no fault: a look without allocation, since most have none. */
const isClean = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return typeof value !== "number" || Number.isFinite(value)
  if (depth >= depthMax) return false
  if (Array.isArray(value)) return value.every((item) => isClean(item, depth + 1))
  for (const name of Object.keys(value)) {
    if (forbidden.has(name) || !isClean((value as Record<string, unknown>)[name], depth + 1)) return false
  }
  return true
}

/** Every forbidden key of a value, every number that JSON has not (`1e400` is read as one), and every place that is nested too deep. */
export const faultsOf = (value: unknown): ReadonlyArray<Fault> => {
  if (isClean(value, 0)) return []
  const faults: Array<Fault> = []
  const walk = (value: unknown, path: ReadonlyArray<string>) => {
    if (typeof value === "number" && !Number.isFinite(value))
      faults.push({ path: pointer(path), message: "is no finite number, and would be stored as null" })
    if (typeof value !== "object" || value === null) return
    if (path.length >= depthMax) {
      faults.push({ path: pointer(path), message: `nested more than ${depthMax} deep` })
      return
    }
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) walk(item, [...path, String(at)])
      return
    }
    for (const name of Object.keys(value)) {
      const inside = [...path, name]
      if (forbidden.has(name))
        faults.push({ path: pointer(inside), message: `the key ${name} is not allowed` })
      else walk((value as Record<string, unknown>)[name], inside)
    }
  }
  walk(value, [])
  return faults
}

/** Why text was not made a value: it is not JSON, or is nested too deep to be parsed safely. */
export interface Unparsed {
  readonly reason: "malformed" | "too-deep"
  readonly message: string
}

/** Parses JSON text of bounded depth. What keys the value has is for `faultsOf` to say. */
export const parseJson = (text: string): Result.Result<unknown, Unparsed> => {
  if (tooDeep(text)) return Result.fail({ reason: "too-deep", message: `nested more than ${depthMax} deep` })
  try {
    return Result.succeed(JSON.parse(text))
  } catch (thrown) {
    return Result.fail({
      reason: "malformed",
      message: thrown instanceof Error ? thrown.message : String(thrown)
    })
  }
}
