/** `troupe keys`, run as people run it. */
import { describe, expect, test } from "bun:test"
import { aNamespace } from "../support/redis.ts"
import { programIn } from "../support/program.ts"

const system = programIn(aNamespace())
const troupe = async (...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await system.troupe(args)
  return { code, stderr, stdout, lines: stdout.trimEnd().split("\n") }
}

describe("troupe keys", () => {
  test("makes a key and tells it once, lists, rotates and revokes it, and notes who did", async () => {
    const made = await troupe(
      "keys",
      "create",
      "--tenant",
      "acme",
      "--role",
      "submit",
      "--label",
      "shop",
      "--json"
    )
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: "" })
    const { id, key, ...rest } = JSON.parse(made.stdout)
    expect(rest).toEqual({ tenant: "acme", role: "submit" })
    expect(key).toMatch(new RegExp(`^troupe_${id}_[0-9a-f]{64}$`))

    const [rotated, listed] = await Promise.all([
      troupe("keys", "rotate", id, "--overlap", "1h"),
      troupe("keys", "create", "--role", "admin")
    ])
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`^troupe_${id}_`)) })
    expect(rotated.stderr).toContain("the earlier secret goes on until")
    expect(listed.stderr).toContain("of tenant default, role admin: it is shown this once")

    const revoked = await troupe("keys", "revoke", id, "--json")
    expect(JSON.parse(revoked.stdout)).toMatchObject({ id, state: "revoked", label: "shop" })

    const [ls, acmes, missing, again] = await Promise.all([
      troupe("keys", "ls", "--json"),
      troupe("keys", "ls", "--tenant", "acme"),
      troupe("keys", "rotate", "000000000000"),
      troupe("keys", "rotate", id)
    ])
    expect(ls.lines.map((line) => JSON.parse(line))).toMatchObject([
      { id, tenant: "acme", role: "submit", state: "revoked" },
      { tenant: "default", role: "admin", state: "counts" }
    ])
    expect(acmes.lines).toHaveLength(1)
    expect(missing).toMatchObject({ code: 3, stdout: "" })
    expect(again).toMatchObject({ code: 4, stderr: expect.stringContaining(`key ${id} is revoked`) })

    const audit = await troupe("keys", "audit", "--json")
    expect(ls.stdout + audit.stdout).not.toContain(key.slice(-64))
    const entries = audit.lines.map((line) => JSON.parse(line))
    expect(entries.map(({ outcome, what }) => `${what} ${outcome}`).toSorted()).toEqual([
      "createKey done",
      "createKey done",
      "revokeKey done",
      "rotateKey done",
      "rotateKey key-not-found",
      "rotateKey key-over"
    ])
    expect(entries.at(-1)).toMatchObject({
      tenant: "acme",
      who: expect.stringMatching(/^cli:/),
      on: "acme submit"
    })
  }, 60_000)

  test("says what a role, a tenant or a rate is when it is none", async () => {
    const answers = await Promise.all([
      troupe("keys", "create", "--role", "king"),
      troupe("keys", "create", "--role", "read", "--tenant", "A b"),
      troupe("keys", "create", "--role", "read", "--rate", "many")
    ])
    expect(answers.map(({ code }) => code)).toEqual([2, 2, 2])
    expect(answers[0].stderr).toContain("submit")
    expect(answers[1].stderr).toContain("a tenant such as acme: 1 to 63 of a-z 0-9 _ -")
    expect(answers[2].stderr).toContain("a rate such as 60/1m")
  }, 60_000)
})
