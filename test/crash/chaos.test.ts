/** What the harness does to a system is what it says: its faults follow from the seed, and its Redis and its wires obey. */
import { afterAll, describe, expect, test } from "bun:test"
import { connect, createServer, type Socket } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { eventually } from "../support/waiting.ts"
import { startServer } from "./chaos/server.ts"
import { drawTimeline } from "./chaos/timeline.ts"
import { startWire, type WireHarm } from "./chaos/wire.ts"

const folder = mkdtempSync(`${tmpdir()}/troupe-chaos-test-`)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test("the same seed draws the same faults, and another one draws others", () => {
  const options = { count: 60, withinMs: 150_000, hasShim: true }
  expect(drawTimeline({ ...options, seed: 7 })).toEqual(drawTimeline({ ...options, seed: 7 }))
  expect(drawTimeline({ ...options, seed: 8 })).not.toEqual(drawTimeline({ ...options, seed: 7 }))
})

test("without a compiler nothing is drawn that takes one", () => {
  const drawn = drawTimeline({ seed: 1, count: 500, withinMs: 1, hasShim: false })
  expect(drawn.filter(({ name }) => /power|disk|clock/.test(name))).toEqual([])
})

describe("the Redis of a campaign", () => {
  test("loses with its power what was not synced; with a sync before each answer that is nothing", async () => {
    const server = await startServer(`${folder}/always`)
    if (!server.hasShim) return server.stop()
    for (let at = 0; at < 100; at++) await server.client.set(`k${at}`, at)
    expect(await server.losePower()).toBe(0)
    await server.start()
    expect(await server.client.dbsize()).toBe(100)
    await server.stop()

    const lax = await startServer(`${folder}/everysec`, "everysec")
    // What a sync a second makes safe is what was there at the last one: it is taken up to the middle of the next.
    for (let at = 0, lost = 0; lost === 0; at++) {
      await lax.client.set(`k${at}`, "x".repeat(1_000))
      if (at % 50 !== 49) continue
      const before = await lax.client.dbsize()
      lost = await lax.losePower()
      await lax.start()
      const left = await lax.client.dbsize()
      if (lost > 0) expect(left).toBeLessThan(before)
    }
    await lax.stop()
  }, 60_000)

  test("has the clock that it is given, and refuses what does not fit on its disk", async () => {
    const server = await startServer(`${folder}/clock`, "everysec")
    if (!server.hasShim) return server.stop()
    const seconds = async () => Number((await server.client.time())[0])
    const before = await seconds()
    server.jump(3_600_000)
    expect((await seconds()) - before).toBeGreaterThanOrEqual(3_600)
    server.jump(-3_600_000)
    server.fillDisk()
    await eventually("a write to be refused", async () =>
      server.client.set("k", 1).then(
        () => undefined,
        (error: Error) => (error.message.startsWith("MISCONF") ? true : undefined)
      )
    )
    server.freeDisk()
    await eventually("a write to be taken", async () =>
      server.client.set("k", 2).then(
        () => true,
        () => undefined
      )
    )
    await server.stop()
  }, 60_000)
})

describe("a wire", () => {
  /** What a server has heard from one client, and what that has heard back: all that was said, in capitals. */
  const aLine = async () => {
    let asked = ""
    const server = createServer((socket: Socket) => {
      socket.on("error", () => {})
      socket.on("data", (piece: Buffer) => {
        asked += piece.toString()
        socket.write(piece.toString().toUpperCase())
      })
    })
    const listening = Promise.withResolvers<void>()
    server.listen(0, "127.0.0.1", listening.resolve)
    await listening.promise
    const address = server.address() as { readonly port: number }
    const wire = await startWire(() => address.port)
    const client = connect({ host: "127.0.0.1", port: wire.port })
    const closed = Promise.withResolvers<void>()
    let heard = ""
    client.on("error", () => {})
    client.on("close", () => closed.resolve())
    client.on("data", (piece: Buffer) => {
      heard += piece.toString()
    })
    return {
      wire,
      say: (text: string) => void client.write(text),
      asked: (text: string) => eventually(`"${text}" to arrive`, () => (asked === text ? true : undefined)),
      heard: (text: string) => eventually(`"${text}" to be heard`, () => (heard === text ? true : undefined)),
      heardSoFar: () => heard,
      askedSoFar: () => asked,
      closed: closed.promise,
      close: () => {
        client.destroy()
        wire.close()
        server.close()
      }
    }
  }

  test("that has swallowed replies has let requests through, and cuts the connection when it heals", async () => {
    const line = await aLine()
    line.say("one ")
    await line.heard("ONE ")
    line.wire.harm({ kind: "no replies" })
    line.say("two")
    await line.asked("one two")
    expect(line.heardSoFar()).toBe("ONE ")
    line.wire.heal()
    await line.closed
    line.close()
  })

  test("that swallows requests lets none through", async () => {
    const line = await aLine()
    line.wire.harm({ kind: "no requests" })
    line.say("one")
    await Bun.sleep(50)
    line.wire.heal()
    await line.closed
    expect(line.askedSoFar()).toBe("")
    line.close()
  })

  for (const harm of [{ kind: "crumbs" }, { kind: "delay", ms: 60 }] satisfies ReadonlyArray<WireHarm>) {
    test(`of ${harm.kind} brings all of it, in its order`, async () => {
      const line = await aLine()
      line.wire.harm(harm)
      line.say("one ")
      line.say("two ")
      line.say("three")
      await line.heard("ONE TWO THREE")
      line.wire.heal()
      line.close()
    })
  }
})
