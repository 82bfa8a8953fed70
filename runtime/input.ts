/**
 * Reads JSON from strangers: bounded in depth, and without keys that would reach an object's prototype.
 *
 * The depth is counted before anything is parsed, since a parser of text a million levels deep needs a stack as deep.
 */
import { Result } from "effect"
import type { Fault } from "./handler.ts"

/** How deep arrays and objects may be nested. */
export const depthMax = 64

const forbidden = new Set(["__proto__", "constructor", "prototype"])

const pointer = (path: ReadonlyArray<string>) =>
  path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")

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

/** Every forbidden key of a value, and every place that is nested too deep. */
export const faultsOf = (value: unknown): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  const walk = (value: unknown, path: ReadonlyArray<string>) => {
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
      if (forbidden.has(name)) faults.push({ path: pointer(inside), message: `the key ${name} is not allowed` })
      else walk((value as Record<string, unknown>)[name], inside)
    }
  }
  walk(value, [])
  return faults
}

/** Parses JSON text. Fails with what is wrong with it, and where. */
export const readJson = (text: string): Result.Result<unknown, ReadonlyArray<Fault>> => {
  if (tooDeep(text)) return Result.fail([{ path: "", message: `nested more than ${depthMax} deep` }])
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return Result.fail([{ path: "", message: `not JSON: ${message}` }])
  }
  const faults = faultsOf(value)
  return faults.length === 0 ? Result.succeed(value) : Result.fail(faults)
}
