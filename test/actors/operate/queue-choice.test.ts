import { describe, expect, test } from "bun:test"
import { QueueChoice } from "../../../actors/operate/queue-choice.ts"

const all = ["a", "b", "c", "d", "e", "f"]

describe("the queues that are told of", () => {
  test("are all, where there are no more than may be", () => {
    const choice = new QueueChoice(6)

    expect(choice.of(all)).toEqual(all)
    expect(choice.glances(all, 10)).toEqual([])
  })

  test("are those that are served, then those with work, then the first, in the order of their names", () => {
    const choice = new QueueChoice(3)
    choice.saw("f", "served")
    choice.saw("d", "work")
    choice.saw("a", "none")

    expect(choice.of(all)).toEqual(["a", "d", "f"])
    expect(choice.of(["a", "b", "d", "e"])).toEqual(["a", "b", "d"])
  })

  test("are not glanced at, and the others are in turn, what was never seen first", () => {
    const choice = new QueueChoice(2)
    for (const partition of ["e", "f"]) choice.saw(partition, "served")

    const seen = Array.from({ length: 4 }, () => {
      const glances = choice.glances(all, 2)
      for (const partition of glances) choice.saw(partition, "none")
      return glances
    })

    expect(seen).toEqual([
      ["a", "b"],
      ["c", "d"],
      ["a", "b"],
      ["c", "d"]
    ])
  })

  test("are others when a glance finds that these are of more interest", () => {
    const choice = new QueueChoice(2)
    expect(choice.of(all)).toEqual(["a", "b"])
    for (const partition of choice.glances(all, 10))
      choice.saw(partition, partition === "e" ? "served" : "none")
    expect(choice.of(all)).toEqual(["a", "e"])

    choice.saw("e", "none")

    expect(choice.of(all)).toEqual(["a", "b"])
  })
})
