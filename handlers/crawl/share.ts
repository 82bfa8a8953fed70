/** How much of what a site says is kept: a site may say as much as it likes, and what is remembered has its bounds. */

/** The first of some texts, as many as have so many characters of JSON together. */
export const upTo = (texts: ReadonlyArray<string>, charactersMax: number): ReadonlyArray<string> => {
  let characters = 0
  const end = texts.findIndex((text) => (characters += JSON.stringify(text).length + 1) > charactersMax)
  return end === -1 ? texts : texts.slice(0, end)
}

/** Values in their order, in pieces of about so many characters of JSON, at least one value each. */
export const piecesOf = <A>(
  values: ReadonlyArray<A>,
  charactersMax: number
): ReadonlyArray<ReadonlyArray<A>> => {
  const pieces: Array<Array<A>> = []
  let characters = Number.POSITIVE_INFINITY
  for (const value of values) {
    const its = JSON.stringify(value).length + 1
    characters += its
    if (characters > charactersMax) {
      pieces.push([])
      characters = its
    }
    pieces.at(-1)!.push(value)
  }
  return pieces
}
