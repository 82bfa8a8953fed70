/**
 * What is done after the last test of a run.
 *
 * Bun evaluates a module once for all test files, and its `afterAll` then belongs to the first of them; only that of
 * a preloaded module (`bunfig.toml`), as this one is, waits for the last.
 */
import { afterAll } from "bun:test"

const endings: Array<() => Promise<void>> = []

export const atTheEnd = (ending: () => Promise<void>): void => void endings.push(ending)

afterAll(async () => {
  await Promise.all(endings.map((ending) => ending()))
})
