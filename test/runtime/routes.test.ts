import { describe, expect, test } from "bun:test"
import { Result } from "effect"
import { readRoutes, routeOf } from "../../runtime/routes.ts"

const routes = (text: string) => Result.getOrThrow(readRoutes(text))

describe("a route", () => {
  test("leads the handlers whose names match its pattern to its queue", () => {
    const some = routes("llm.*=agents,*.embed=vectors,report=slow")

    expect(routeOf(some, "llm.summarise")).toBe("agents")
    expect(routeOf(some, "documents.embed")).toBe("vectors")
    expect(routeOf(some, "report")).toBe("slow")
  })

  test("leaves all others alone, a dot being a dot", () => {
    const some = routes("llm.*=agents,report=slow")

    expect(routeOf(some, "llmx")).toBeUndefined()
    expect(routeOf(some, "reports")).toBeUndefined()
    expect(routeOf(some, "a.report")).toBeUndefined()
  })

  test("counts before a later one that matches as well", () => {
    expect(routeOf(routes("llm.big=slow,llm.*=agents"), "llm.big")).toBe("slow")
  })

  for (const text of ["llm.*", "=agents", "llm.*=Agents", "llm.*=a=b", "l lm=agents", ""]) {
    test(`that is written "${text}" is refused with an example`, () => {
      expect(readRoutes(text)).toMatchObject({
        failure: `"${text}" is not pattern=queue, as in llm.*=agents`
      })
    })
  }
})
