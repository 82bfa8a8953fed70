/**
 * Nothing from outside reaches a simulation: while it runs, the clocks, timers and dice of JavaScript are those of the
 * simulated process whose step it is.
 *
 * A simulation runs from its beginning to its end without giving the real event loop a turn, so nobody else ever sees them.
 */
import type { Process } from "./process.ts"
import type { World } from "./world.ts"

/** What a process says it uses, so that no real figure gets into a record. */
const memoryBytes = 64 * 2 ** 20

interface Timer {
  callOff: () => void
  readonly unref: () => Timer
  readonly ref: () => Timer
}

/** Puts other properties in the place of those of an object, and gives what puts them back. */
const replaced = (target: object, properties: Readonly<Record<string, PropertyDescriptor>>) => {
  const before = Object.keys(properties).map(
    (name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const
  )
  for (const [name, property] of Object.entries(properties))
    Object.defineProperty(target, name, { configurable: true, ...property })
  return () => {
    for (const [name, property] of before) {
      if (property === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, property)
    }
  }
}

const uuidOf = (draw: () => number) => {
  const digits = Array.from({ length: 32 }, () => Math.floor(draw() * 16).toString(16)).join("")
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`
}

const fill = <A extends ArrayBufferView>(array: A, draw: () => number): A => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(draw() * 256)
  return array
}

/** Runs something with the world's time and dice in the place of the machine's. `me` is whose step it is. */
export const sealed = <A>(world: World, me: () => Process, run: () => A): A => {
  const draw = () => world.random()
  const timer = (run: () => void, millis: number, again: boolean): Timer => {
    const owner = me()
    const made: Timer = { callOff: () => {}, unref: () => made, ref: () => made }
    const start = () => {
      made.callOff = world.after(
        Math.max(1, millis),
        () => {
          if (again) start()
          run()
        },
        owner
      )
    }
    start()
    return made
  }
  const clear = (timer: Timer | undefined) => timer?.callOff()
  const value = (value: unknown): PropertyDescriptor => ({ value, writable: true })
  const restore: Array<() => void> = []
  try {
    restore.push(
      replaced(globalThis, {
        setTimeout: value((run: () => void, millis = 0) => timer(run, millis, false)),
        setInterval: value((run: () => void, millis = 0) => timer(run, millis, true)),
        setImmediate: value((run: () => void) => me().soon(run)),
        clearTimeout: value(clear),
        clearInterval: value(clear),
        clearImmediate: value(() => {})
      })
    )
    restore.push(replaced(Date, { now: value(() => me().wallMs()) }))
    restore.push(replaced(performance, { now: value(() => me().monotonicMs()) }))
    restore.push(replaced(Math, { random: value(draw) }))
    restore.push(
      replaced(crypto, {
        randomUUID: value(() => uuidOf(draw)),
        getRandomValues: value((array: ArrayBufferView) => fill(array, draw))
      })
    )
    restore.push(
      replaced(process, {
        pid: { get: () => me().pid },
        memoryUsage: value(Object.assign(() => ({ rss: memoryBytes }), { rss: () => memoryBytes }))
      })
    )
    return run()
  } finally {
    for (const again of restore.toReversed()) again()
  }
}
