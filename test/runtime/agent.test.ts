/** What an agent may say of itself. */
import { describe, expect, test } from "bun:test"
import { defineAgent } from "../../runtime/agent.ts"

const fitting = {
  name: "cart",
  state: { initial: () => ({ items: [] }) },
  messages: { add: {} },
  handle: { add: () => null }
}

/** Code without types gives what it likes. */
const given = (over: object) => () => defineAgent({ ...fitting, ...over })

describe("an agent", () => {
  test("has defaults for all that it does not say", () => {
    expect(defineAgent(fitting).body).toMatchObject({
      onBusy: "enqueue",
      passivateMs: 60_000,
      state: { version: 1 }
    })
  })

  test.each([
    [{ onBusy: "rejct" }, 'onBusy "rejct" is none of enqueue, reject, coalesce, interrupt'],
    [{ state: undefined }, "state.initial is no function"],
    [{ state: { initial: [] } }, "state.initial is no function"],
    [{ state: { ...fitting.state, migrate: 2 } }, "state.migrate is no function"],
    [{ state: { ...fitting.state, schema: 3 } }, "state.schema is no schema"],
    [{ state: { ...fitting.state, version: 0 } }, "state.version 0 is no whole number above 0"],
    [{ messages: { add: { input: {} } } }, "messages.add.input is no schema"],
    [{ messages: { add: {}, drop: {} } }, "handle.drop is missing"],
    [{ handle: { ...fitting.handle, drop: () => null } }, "handle.drop is no message of it"]
  ])("is refused where it cannot be, as in %j", (over, message) => {
    expect(given(over)).toThrow(TypeError)
    expect(given(over)).toThrow(`agent cart: ${message}`)
  })

  test.each([
    [{ onBussy: "reject" }, "onBussy: there is no such option; did you mean onBusy?"],
    [
      { state: { ...fitting.state, intial: 1 } },
      "state.intial: there is no such option; did you mean initial?"
    ],
    [{ messages: { add: { inptu: 1 } } }, "messages.add.inptu: there is no such option; did you mean input?"]
  ])("is refused for a name that nobody reads, as in %j", (over, message) => {
    expect(given(over)).toThrow(`agent cart: ${message}`)
  })
})
