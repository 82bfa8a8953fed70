/**
 * A call of a Redis function with its arguments, as it goes over the wire.
 *
 * What ioredis does for any command costs a batch more than to make it: it measures each argument, and on Bun, which cannot
 * say that nobody traces commands, it makes what a tracer would be told of each. So a call is written in one go.
 */
import { Command } from "ioredis"

type Arguments = ReadonlyArray<string | number>

const crlf = "\r\n"

const encoded = (args: Arguments, lengthOf: (text: string) => number): string => {
  const lines = [`*${args.length}`]
  for (const arg of args) {
    const text = typeof arg === "string" ? arg : String(arg)
    lines.push(`$${lengthOf(text)}`, text)
  }
  lines.push("")
  return lines.join(crlf)
}

/** A request in RESP 2. Nearly all are ASCII, whose bytes are its letters: that is checked once for all of it. */
export const requestOf = (args: Arguments): string => {
  const text = encoded(args, (arg) => arg.length)
  return Buffer.byteLength(text) === text.length ? text : encoded(args, (arg) => Buffer.byteLength(arg))
}

/** Has `FCALL` answer with texts and numbers. */
export class FunctionCall extends Command {
  readonly #request: string

  /** `name` is the function's, `key` its only key. */
  constructor(name: string, key: string, args: Arguments) {
    super("fcall", [name, 1, key], { replyEncoding: "utf8" })
    this.isTraced = true
    this.#request = requestOf(["fcall", name, 1, key, ...args])
  }

  override toWritable(): string {
    return this.#request
  }
}
