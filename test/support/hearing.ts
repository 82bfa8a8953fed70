/** What a process says while it runs, so that a test may wait for a word of it, and show all of it when it ends badly. */

export interface Heard {
  /** All so far. */
  readonly said: () => string
  /** Resolves when there is no more. */
  readonly over: Promise<void>
}

export const hear = (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Heard => {
  let said = ""
  const read = async () => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) said += text
  }
  return { said: () => said, over: read() }
}

/** Where a system serves that has said so. */
export const servesAt = (said: string): string | undefined => /Serving at (http:\S+) until/.exec(said)?.[1]
