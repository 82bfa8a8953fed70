/** The command line on a terminal: what people see, and what scripts do not. */
import { afterAll, describe, expect, test } from "bun:test"
import { openShop } from "../support/shop.ts"
import * as shop from "./handlers/shop.ts"

const { program, system } = await openShop()
afterAll(() => system.close())
const { terminal, troupe } = program

const does = (sentence: string, body: () => Promise<void>) => test.concurrent(sentence, body, 120_000)

const escape = "\u001b"
const eraseLine = `\r${escape}[K`
/** What is left on the screen once every line that was erased is gone. */
const left = (screen: string) =>
  screen
    .split("\r\n")
    .map((line) => line.split(eraseLine).at(-1)!)
    .join("\n")
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/\u001b\[\d*m/g, "")

const spoken = await system.submit(shop.speak, { chunks: ["Hello", "\n"] })
await spoken.result()

describe("on a terminal", () => {
  does("a task's progress is a bar that leaves nothing behind", async () => {
    const { code, screen } = await terminal(["tail", spoken.id])

    expect(code).toBe(0)
    expect(screen).toContain(`${eraseLine}[####################] 100 %`)
    expect(left(screen)).toContain("info: it speaks\n")
    expect(left(screen)).toContain("Hello\n")
    expect(left(screen)).not.toContain("%")
  })

  does("who waits for a result sees the bar, too, and then the result", async () => {
    const { code, screen } = await terminal([...["submit", "shop.walk", "--input", "3", "--wait"]])

    expect(code).toBe(0)
    expect(screen).toMatch(/\[#+·+\] \d+ % step \d/)
    expect(left(screen)).toEndWith(`\n"walked"\n`.replaceAll(`"`, ""))
    expect(left(screen)).not.toContain("%")
  })

  does("a list is a table with a header, in colours unless NO_COLOR says otherwise", async () => {
    const [coloured, plain, piped] = await Promise.all([
      terminal(["status", spoken.id]),
      terminal(["status", spoken.id], { env: { NO_COLOR: "1" } }),
      troupe(["tasks", "--name", "shop.speak"])
    ])
    expect(coloured.screen).toContain(`state      ${escape}[32msucceeded${escape}[0m`)
    expect(plain.screen).toContain("state      succeeded")
    expect(plain.screen).not.toContain(`${escape}[3`)
    expect(piped.stdout.split("\t").slice(0, 3)).toEqual([spoken.id, "shop.speak", "succeeded"])

    const table = await terminal(["tasks", "--name", "shop.speak"])
    expect(left(table.screen).split("\n")[0]).toMatch(/^ID +NAME +STATE +ATTEMPT +SUBMITTED +ERROR$/)
  })

  does("all tasks are followed until Ctrl-C", async () => {
    const seen = terminal(["tail", "-f"], { signals: ["SIGINT"] })

    const { code, screen } = await seen
    expect(code).toBe(130)
    expect(left(screen)).toStartWith("listening to all tasks\n")
  })
})
