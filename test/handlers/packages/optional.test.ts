import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { optionalPackage } from "../../../handlers/packages/optional.ts"
import { it } from "../../support/effect.ts"

describe("an optional package", () => {
  it.live("is named, with the command that installs it, when it is not there", () =>
    Effect.gen(function* () {
      const name = "a-package-that-nobody-installed"
      const refused = yield* Effect.flip(optionalPackage(name, () => import(name)))
      expect(refused).toMatchObject({ name: "PackageMissing" })
      expect(refused.message).toContain(`bun add ${name}`)
    })
  )

  it.live("that is there and breaks while it loads is not called missing", () =>
    Effect.gen(function* () {
      const module: string = "data:text/javascript,throw new Error('bad native module')"
      const broken = optionalPackage("broken", () => import(module))
      expect(yield* Effect.catchDefect(broken, Effect.succeed)).toMatchObject({
        message: "bad native module"
      })
    })
  )
})
