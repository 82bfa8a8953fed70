/** The wire of Redis as far as a proxy has to read it: where a message ends, and what a request asks for. */

const newline = "\r\n"

/** Where the message that begins at `start` ends; -1 while it is not all there. */
const endOf = (data: Buffer, start: number): number => {
  const line = data.indexOf(newline, start)
  if (line < 0) return -1
  const after = line + newline.length
  const count = () => Number(data.toString("latin1", start + 1, line))
  switch (String.fromCharCode(data[start]!)) {
    case "$":
    case "=":
    case "!": {
      const end = count() < 0 ? after : after + count() + newline.length
      return end <= data.length ? end : -1
    }
    case "*":
    case "~":
    case ">":
      return endOfAll(data, after, count())
    case "%":
      return endOfAll(data, after, 2 * count())
    default:
      return after
  }
}

const endOfAll = (data: Buffer, start: number, count: number): number => {
  let end = start
  for (let n = 0; n < count && end >= 0; n++) end = end < data.length ? endOf(data, end) : -1
  return end
}

/** Cuts what arrives, in pieces of any size, into whole messages. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0)

  push(piece: Buffer): ReadonlyArray<Buffer> {
    const data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const messages: Array<Buffer> = []
    let start = 0
    while (start < data.length) {
      const end = endOf(data, start)
      if (end < 0) break
      messages.push(data.subarray(start, end))
      start = end
    }
    this.#rest = data.subarray(start)
    return messages
  }
}

/** Whether a message from Redis answers nothing: it comes by itself, or confirms a subscription. */
export const isPush = (message: Buffer): boolean => message[0] === ">".charCodeAt(0)

/** Whether a push is something that was published, rather than the confirmation of a subscription. */
export const isPublished = (push: Buffer): boolean =>
  /^>\d+\r\n\$\d+\r\n[sp]?message\r\n/.test(push.toString("latin1", 0, 40))

/** The command of a request and its arguments. */
export const wordsOf = (request: Buffer): ReadonlyArray<string> => {
  const words: Array<string> = []
  let at = request.indexOf(newline) + newline.length
  while (at < request.length) {
    const line = request.indexOf(newline, at)
    const start = line + newline.length
    const end = start + Number(request.toString("latin1", at + 1, line))
    words.push(request.toString("utf8", start, end))
    at = end + newline.length
  }
  return words
}
