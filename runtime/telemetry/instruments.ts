/**
 * What a process counts of itself while it runs, with effect's `Metric`.
 *
 * An instrument is made once and used often: to use it is one look into a Map. Nothing is counted per task.
 */
import { Context, Metric } from "effect"
import { families, type FamilyName } from "./families.ts"
import type { Labels } from "./exposition.ts"

/** Everything of a process is in one registry, which is effect's own. */
const registry = Context.empty()

const optionsOf = (name: FamilyName, attributes: Labels) => ({ description: families[name].help, attributes })

/** What adds to a counter. It is exposed from now on, at 0 if nothing is ever added. */
export const counter = (name: FamilyName, labels: Labels = {}): ((by?: number) => void) => {
  const metric = Metric.counter(name, { ...optionsOf(name, labels), incremental: true })
  metric.updateUnsafe(0, registry)
  return (by = 1) => metric.updateUnsafe(by, registry)
}

/** What changes a gauge by an amount. */
export const level = (name: FamilyName, labels: Labels = {}): ((by: number) => void) => {
  const metric = Metric.gauge(name, optionsOf(name, labels))
  metric.modifyUnsafe(0, registry)
  return (by) => metric.modifyUnsafe(by, registry)
}

/** Upper bounds in seconds: three to a power of ten, from what a script takes to what nobody should wait for. */
const secondsBounds = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** What records a time in seconds. */
export const timer = (name: FamilyName, labels: Labels = {}): ((seconds: number) => void) => {
  const metric = Metric.histogram(name, { ...optionsOf(name, labels), boundaries: secondsBounds })
  return (seconds) => metric.updateUnsafe(seconds, registry)
}

/** Instruments that are made as their names come up, and kept. Names are ours: there are few. */
export const perName = <Name, A>(make: (name: Name) => A): ((name: Name) => A) => {
  const made = new Map<Name, A>()
  return (name) => {
    const there = made.get(name)
    if (there !== undefined) return there
    const fresh = make(name)
    made.set(name, fresh)
    return fresh
  }
}
