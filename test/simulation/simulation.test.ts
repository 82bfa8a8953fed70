/** The system keeps its promises in a thousand simulations, each of which follows from its seed alone. */
import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { resolve } from "node:path"
import { chanceOf } from "../support/chance.ts"
import { type Blow, type Mode, planOf } from "./plan.ts"
import { plants } from "./plants.ts"
import { simulate } from "./simulation.ts"

const main = resolve(import.meta.dir, "main.ts")

const simulating = async (...args: ReadonlyArray<string>) => {
  const child = Bun.spawn([process.execPath, main, ...args], { stdout: "pipe", stderr: "pipe" })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, out, err }
}

/** A simulation takes no time of its own, but a busy machine's. */
setDefaultTimeout(60_000)

const planFor = (seed: number, mode: Mode = "safety", amid?: Blow["kind"]) =>
  planOf(chanceOf(seed), seed, mode, amid)

test("a thousand seeds break no promise", async () => {
  // Other files run beside this one, and take what processors there are.
  const { code, err, out } = await simulating("--seeds", "1000", "--jobs", "1")
  expect(`${out}${err}`).toContain(`"seeds":1000,`)
  expect(code).toBe(0)
}, 600_000)

test("seeds are shared by processes, and what came of all of them is said", async () => {
  const { code, err, out } = await simulating("--seeds", "10", "--jobs", "2")
  expect(`${out}${err}`).toMatch(/^10 seeds from 1 on, .*: no promise was broken$/m)
  expect(code).toBe(0)
})

describe("the same seed", () => {
  test("makes the same trace when it is run again", () => {
    const once = simulate(planFor(4), { traces: true })
    simulate(planFor(5), { traces: true })
    const again = simulate(planFor(4), { traces: true })
    expect(again.trace).toEqual(once.trace)
    expect(again.hash).toBe(once.hash)
  })

  test("makes the same trace in another process", async () => {
    const here = simulate(planFor(6)).hash
    const { out } = await simulating("--seed", "6", "--mode", "safety")
    expect((JSON.parse(out) as { readonly hash: string }).hash).toBe(here)
  })

  test("makes another trace than another seed", () => {
    expect(simulate(planFor(7)).hash).not.toBe(simulate(planFor(8)).hash)
  })
})

test("no clock and no dice of the machine are in a simulation", () => {
  const [now, random, uuid] = [Date.now, Math.random, crypto.randomUUID.bind(crypto)]
  const drawn: Array<string> = []
  Date.now = () => (drawn.push("Date.now"), now())
  Math.random = () => (drawn.push("Math.random"), random())
  crypto.randomUUID = () => (drawn.push("crypto.randomUUID"), uuid())
  try {
    simulate(planFor(9))
  } finally {
    Date.now = now
    Math.random = random
    Reflect.deleteProperty(crypto, "randomUUID")
  }
  expect(drawn).toEqual([])
})

/** Seeds that between them told the rarest bugs when they were chosen, so that few of the others are needed. */
const telling = [801, 147, 146, 110, 83, 36, 29]
const thousand = Array.from({ length: 1_000 }, (_, at) => at + 1)

describe("a bug planted in the store is found within a thousand seeds:", () => {
  for (const { amid, bug, plant } of plants) {
    test(
      bug,
      () => {
        const finds = (seed: number) =>
          simulate(planFor(seed, "safety", amid), { plant }).violations.length > 0

        expect([...telling, ...thousand].find(finds)).toBeDefined()
      },
      120_000
    )
  }
})
