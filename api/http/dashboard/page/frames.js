/** Server-sent events, read piece by piece as they come. */

const readFrame = (text) => {
  const frame = { event: "message", id: undefined, data: "" }
  const lines = []
  for (const line of text.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)
    if (field === "event") frame.event = value
    else if (field === "id") frame.id = value
    else if (field === "data") lines.push(value)
  }
  return lines.length === 0 ? [] : [{ ...frame, data: lines.join("\n") }]
}

/** Takes text and gives the events that are whole with it; comments, which only say that the stream lives, are left out. */
export const makeFrames = () => {
  let rest = ""
  return (text) => {
    const pieces = (rest + text).split(/\r?\n\r?\n/)
    rest = pieces.pop()
    return pieces.flatMap(readFrame)
  }
}
