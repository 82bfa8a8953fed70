/** `troupe agents tell` and `troupe agents ask`: sends a message to an agent, and waits for the reply if asked to. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import { inputFlags, readInput } from "./input.ts"
import * as Output from "./output.ts"
import { due } from "./task-flags.ts"

const message = {
  name: Argument.String("name").pipe(Argument.withDescription("What the agent's definition is called")),
  key: Argument.String("key").pipe(Argument.withDescription("The agent's key")),
  message: Argument.String("message").pipe(Argument.withDescription("The message's name")),
  ...inputFlags,
  dedupe: Flags.text("dedupe", "ID", "A second message to the agent with the same one is the first"),
  redis: Flags.redis,
  json: Flags.json
}

export const tell = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "tell",
    {
      ...message,
      ...due
    },
    Effect.fnUntraced(function* (flags) {
      const { dedupe, delay, json, key, message, name, redis, runAt } = flags
      const input = yield* readInput(flags, "troupe agents tell")
      yield* Effect.gen(function* () {
        const agent = (yield* Troupe).agent(name, key)
        const { existing, id, warning } = yield* agent.tell(
          message,
          input,
          Filters.given({ dedupe, delay, runAt })
        )
        const answer = {
          id,
          ...(existing ? { existing } : {}),
          ...(warning === undefined ? {} : { warning })
        }
        yield* Output.print(json ? JSON.stringify(answer) : id)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Sends a message to an agent and prints its task's id, which result and tail take: the result is the reply"
    ),
    Command.withShortDescription("Sends a message to an agent"),
    Command.withExamples([
      {
        command: `troupe agents tell shop.cart user-7 add --input '{"item": "tea"}'`,
        description: "Send it, and do not wait"
      }
    ])
  )

export const ask = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "ask",
    {
      ...message,
      timeout: Flags.optionalDuration("timeout", "How long the reply may take; default: as long as it takes")
    },
    Effect.fnUntraced(function* (flags) {
      const { dedupe, json, key, message, name, redis, timeout } = flags
      const input = yield* readInput(flags, "troupe agents ask")
      yield* Effect.gen(function* () {
        const agent = (yield* Troupe).agent(name, key)
        const reply = yield* agent.ask(message, input, Filters.given({ dedupe, timeout }))
        yield* Output.printOutput(reply, json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Sends a message to an agent and prints its reply; exits with 1 if the message failed, with 124 if the reply is late"
    ),
    Command.withShortDescription("Asks an agent"),
    Command.withExamples([
      {
        command: `troupe agents ask shop.cart user-7 add --input '{"item": "tea"}' --timeout 10s`,
        description: "Wait at most 10 seconds"
      }
    ])
  )
