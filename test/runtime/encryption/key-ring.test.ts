import { describe, expect, test } from "bun:test"
import { Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { isSealed, type KeyRing, readKeyRing } from "../../../runtime/encryption/key-ring.ts"

const aSecret = () => randomBytes(32).toString("base64")

const ringOf = (setting: string): KeyRing => Redacted.value(Result.getOrThrow(readKeyRing(setting)))

const failureOf = (result: Result.Result<unknown, unknown>) =>
  Result.isFailure(result) ? result.failure : undefined

describe("a key ring", () => {
  test("opens what it has sealed, whatever is in it", () => {
    const ring = ringOf(`a:${aSecret()}`)
    for (const text of ["", "plain", '{"ünï":"code 🦜\u0000"}', "x".repeat(100_000)]) {
      const sealed = ring.seal("here", text)
      expect(isSealed(sealed)).toBe(true)
      expect(ring.open("here", sealed)).toEqual(Result.succeed(text))
    }
  })

  test("opens nothing that was sealed for another place, or changed in one letter", () => {
    const ring = ringOf(`a:${aSecret()}`)
    const sealed = ring.seal("record default.0.A", "secret")
    const mismatch = { _tag: "PayloadUnreadable", key: "a", reason: "mismatch" }
    expect(failureOf(ring.open("record default.0.B", sealed))).toMatchObject(mismatch)
    for (let at = 3; at < sealed.length; at++) {
      const other = sealed[at] === "A" ? "Q" : "A"
      const changed = `${sealed.slice(0, at)}${other}${sealed.slice(at + 1)}`
      expect(failureOf(ring.open("record default.0.A", changed))).toMatchObject(mismatch)
    }
  })

  test("seals the same twice as the same, and another text or place with another nonce", () => {
    const ring = ringOf(`a:${aSecret()}`)
    const nonceOf = (sealed: string) => sealed.slice(3, 19)
    expect(ring.seal("p", "text")).toBe(ring.seal("p", "text"))
    const nonces = [ring.seal("p", "text"), ring.seal("p", "texu"), ring.seal("q", "text")].map(nonceOf)
    expect(new Set(nonces).size).toBe(3)
  })

  test("goes on opening what an older key has sealed, and seals with the first one", () => {
    const [old, young] = [aSecret(), aSecret()]
    const sealed = ringOf(`old:${old}`).seal("p", "text")
    const ring = ringOf(`young:${young},old:${old}`)
    expect(ring.open("p", sealed)).toEqual(Result.succeed("text"))
    expect(ring.seal("p", "text")).toStartWith("~young.")
  })

  test("says which key is absent, and when another one goes by its name", () => {
    const sealed = ringOf(`old:${aSecret()}`).seal("p", "text")
    expect(failureOf(ringOf(`young:${aSecret()}`).open("p", sealed))).toMatchObject({
      key: "old",
      reason: "absent"
    })
    expect(failureOf(ringOf(`old:${aSecret()}`).open("p", sealed))).toMatchObject({
      key: "old",
      reason: "mismatch"
    })
  })

  test("tells what is wrong with the setting, and no part of a key", () => {
    const secret = aSecret()
    const wrong = [
      ["", "key 1 is not name:key"],
      [secret, "key 1 is not name:key"],
      [`A b:${secret}`, "key 1 is not name:key"],
      [`a:${secret},b`, 'key "b" is not the base64 of 32 bytes'],
      [`a:${secret.slice(0, 20)}`, 'key "a" is not the base64 of 32 bytes'],
      [`a:${secret},a:${secret}`, 'key "a" is named twice']
    ] as const
    for (const [setting, reason] of wrong) {
      const told = failureOf(readKeyRing(setting))
      expect(told).toStartWith(reason)
      expect(told).not.toContain(secret.slice(0, 20))
    }
  })
})
