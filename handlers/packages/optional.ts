/** Packages that only some handlers need: loaded on first use, and named when they are not there. */
import { Effect } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"

/**
 * Loads a package with `load`, as `() => import("ai")`. Fails with `Fatal` of type `PackageMissing`, and says how to
 * install it, when it is not there; a package that is there and breaks while it loads is a defect.
 */
export const optionalPackage = <A>(name: string, load: () => Promise<A>): Effect.Effect<A, Fatal> =>
  Effect.catchDefect(Effect.promise(load), (defect) =>
    isMissing(defect)
      ? refuse(
          "PackageMissing",
          `this needs the package ${name}, which is not installed: bun add ${name}`,
          defect
        )
      : Effect.die(defect)
  )

const isMissing = (defect: unknown) =>
  typeof defect === "object" && defect !== null && "code" in defect && defect.code === "ERR_MODULE_NOT_FOUND"
