/**
 * Secrets by their names: a task says which variable is meant, and the value is read from the environment of the worker
 * when it is sent. It is in no input, no result, no log and no error.
 *
 * Which variable may be sent where, and for whom, `TROUPE_SECRETS` says.
 */
import { Config, Context, Effect, Layer, Option, Redacted } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { maySend } from "../../runtime/secret-rules.ts"
import { refuse } from "../refusal/refuse.ts"

export class Secrets extends Context.Service<
  Secrets,
  {
    /** The value, for a task of a tenant to send to a host. `Fatal` is of type `SecretRefused` or `SecretMissing`. */
    readonly find: (
      name: string,
      tenant: string,
      host: string
    ) => Effect.Effect<Redacted.Redacted<string>, Fatal>
  }
>()("troupe/handlers/Secrets") {
  static readonly layer = Layer.effect(
    Secrets,
    Settings.useSync(({ secrets }) => ({
      find: Effect.fn("Secrets.find")(function* (name: string, tenant: string, host: string) {
        if (!maySend(secrets, tenant, name, host)) {
          return yield* refuse(
            "SecretRefused",
            `the variable ${name} may not be sent to ${host}; an operator allows it with TROUPE_SECRETS=${name}@${host}`
          )
        }
        const value = yield* Effect.orElseSucceed(Config.option(Config.Redacted(name)), Option.none)
        if (Option.isNone(value) || Redacted.value(value.value) === "") {
          return yield* refuse("SecretMissing", `the variable ${name} is not set where the worker runs`)
        }
        return value.value
      })
    }))
  )
}
