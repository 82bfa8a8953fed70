import { describe, expect, test } from "bun:test"
import { Result } from "effect"
import { homeOf, readRoutes, routeOf } from "../../runtime/routes.ts"

const routes = (text: string) => Result.getOrThrow(readRoutes(text))

describe("a route", () => {
  test("leads the handlers whose names match its pattern to its queue", () => {
    const some = routes("llm.*=agents,*.embed=vectors,report=slow")

    expect(routeOf(some, "llm.summarise")).toEqual(["agents"])
    expect(routeOf(some, "documents.embed")).toEqual(["vectors"])
    expect(routeOf(some, "report")).toEqual(["slow"])
  })

  test("leaves all others alone, a dot being a dot", () => {
    const some = routes("llm.*=agents,report=slow")

    expect(routeOf(some, "llmx")).toBeUndefined()
    expect(routeOf(some, "reports")).toBeUndefined()
    expect(routeOf(some, "a.report")).toBeUndefined()
  })

  test("counts before a later one that matches as well", () => {
    expect(routeOf(routes("llm.big=slow,llm.*=agents"), "llm.big")).toEqual(["slow"])
  })

  test("may name several queues", () => {
    expect(routeOf(routes("llm.*=agents|agents2|agents3"), "llm.big")).toEqual([
      "agents",
      "agents2",
      "agents3"
    ])
  })

  for (const text of ["llm.*", "=agents", "llm.*=Agents", "llm.*=a=b", "l lm=agents", "", "a=b|", "a=b|C"]) {
    test(`that is written "${text}" is refused with an example`, () => {
      expect(readRoutes(text)).toMatchObject({
        failure: `"${text}" is not pattern=queue, as in llm.*=agents, or with several queues llm.*=agents|agents2`
      })
    })
  }

  test("that names a queue twice, or too many, is refused as such", () => {
    expect(readRoutes("a=b|c|b")).toMatchObject({ failure: `"a=b|c|b" names the queue b twice` })
    const many = `a=${Array.from({ length: 17 }, (_, at) => `q${at}`).join("|")}`
    expect(readRoutes(many)).toMatchObject({ failure: `"${many}" names 17 queues, and may name 16` })
  })
})

describe("the home of a key among several queues", () => {
  const keys = Array.from({ length: 3_000 }, (_, at) => `user-${at}`)

  test("is the same whatever the order in which the queues are named", () => {
    for (const key of keys.slice(0, 100)) {
      expect(homeOf(["c", "a", "b"], key)).toBe(homeOf(["a", "b", "c"], key))
    }
  })

  test("is as often one as another", () => {
    const homes = Map.groupBy(keys, (key) => homeOf(["a", "b", "c"], key))
    for (const queue of ["a", "b", "c"]) expect(homes.get(queue)!.length).toBeWithin(850, 1_150)
  })

  test("changes only for the keys that a further queue takes over", () => {
    const moved = keys.filter((key) => homeOf(["a", "b", "c"], key) !== homeOf(["a", "b"], key))
    expect(moved.length).toBeWithin(850, 1_150)
    expect(moved.every((key) => homeOf(["a", "b", "c"], key) === "c")).toBe(true)
  })

  test("never changes with the version of what hashes it", () => {
    expect(["user-1", "user-2", "user-3", "user-4"].map((key) => homeOf(["a", "b", "c"], key))).toEqual([
      "c",
      "b",
      "a",
      "b"
    ])
  })
})
