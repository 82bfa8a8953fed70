/** Reads server-sent events as they came over the wire, frame by frame. */

export interface Frame {
  readonly id?: string
  readonly event?: string
  readonly data?: unknown
  /** A line that clients skip: a heartbeat. */
  readonly comment?: string
}

const frameOf = (text: string): Frame => {
  const frame: { -readonly [name in keyof Frame]: Frame[name] } = {}
  for (const line of text.split("\n")) {
    const [, field, value = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? []
    if (field === "") frame.comment = value
    else if (field === "id" || field === "event") frame[field] = value
    else if (field === "data") frame.data = JSON.parse(value)
    else throw new Error(`not a line of a frame: ${JSON.stringify(line)}`)
  }
  return frame
}

/** Takes text in pieces of any size, and gives the frames that are whole. */
export class Frames {
  #rest = ""

  push(text: string): ReadonlyArray<Frame> {
    const parts = (this.#rest + text).split("\n\n")
    this.#rest = parts.pop()!
    return parts.map(frameOf)
  }
}
