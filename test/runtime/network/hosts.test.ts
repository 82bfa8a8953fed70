import { describe, expect, test } from "bun:test"
import { Result } from "effect"
import { allowsHost, hostMatches, readHosts } from "../../../runtime/network/hosts.ts"
import { maySend, readSecretRules } from "../../../runtime/secret-rules.ts"
import { readShell } from "../../../runtime/shell-rules.ts"

describe("a host pattern", () => {
  test("means a name, whatever its case and the dot of the root", () => {
    expect(hostMatches("api.example.com", "API.example.com.")).toBe(true)
    expect(hostMatches("api.example.com", "xapi.example.com")).toBe(false)
    expect(hostMatches("api.example.com", "a.api.example.com")).toBe(false)
  })

  test("with a star means what ends in it, and not the name itself", () => {
    expect(hostMatches("*.example.com", "a.b.example.com")).toBe(true)
    expect(hostMatches("*.example.com", "example.com")).toBe(false)
    expect(hostMatches("*.example.com", "badexample.com")).toBe(false)
  })

  test("that denies counts before one that allows", () => {
    const rules = { allowed: ["*.example.com"], denied: ["bad.example.com"] }
    expect(allowsHost(rules, "good.example.com")).toBe(true)
    expect(allowsHost(rules, "bad.example.com")).toBe(false)
    expect(allowsHost(rules, "example.org")).toBe(false)
    expect(allowsHost({ allowed: [], denied: [] }, "example.org")).toBe(true)
  })

  test("is no URL, no port and no star alone", () => {
    for (const wrong of ["https://a.example", "a.example:80", "*", "*.", "a..b", "", "a b"]) {
      expect(Result.isFailure(readHosts(wrong)), wrong).toBe(true)
    }
  })
})

describe("a secret", () => {
  const rules = Result.getOrThrow(
    readSecretRules("TOKEN@api.example.com,acme=KEY@*.example.org, *=SHARED@shared.example")
  )

  test("goes to the host and from the tenant that its rule names, and nowhere else", () => {
    expect(maySend(rules, "default", "TOKEN", "api.example.com")).toBe(true)
    expect(maySend(rules, "acme", "TOKEN", "api.example.com")).toBe(false)
    expect(maySend(rules, "default", "TOKEN", "evil.example")).toBe(false)
    expect(maySend(rules, "default", "REDIS_URL", "api.example.com")).toBe(false)
    expect(maySend(rules, "acme", "KEY", "a.example.org")).toBe(true)
    expect(maySend(rules, "default", "KEY", "a.example.org")).toBe(false)
    expect(maySend(rules, "anybody", "SHARED", "shared.example")).toBe(true)
  })

  test("whose rule cannot be read is not told", () => {
    for (const wrong of [
      "TOKEN",
      "sk-12345",
      "TOKEN@*",
      "=TOKEN@a.example",
      "Not A Tenant=T@a.example",
      ""
    ]) {
      const read = readSecretRules(wrong)
      expect(Result.isFailure(read), wrong).toBe(true)
      if (Result.isFailure(read) && wrong !== "") expect(read.failure).not.toContain(wrong)
    }
  })
})

describe("a program that may be started", () => {
  test("is a name or a whole path", () => {
    expect(Result.getOrThrow(readShell("sh, /usr/bin/pdftotext,g++"))).toEqual([
      "sh",
      "/usr/bin/pdftotext",
      "g++"
    ])
    for (const wrong of ["", "*", "bin/sh", "/usr/../bin/sh", "rm -rf", "-c", "../sh", "/"]) {
      expect(Result.isFailure(readShell(wrong)), wrong).toBe(true)
    }
  })
})
