/** Cuts texts without cutting a character in two. */

/** What a text begins with: at most so many UTF-16 units, and no half of a character at the end. */
export const beginning = (text: string, unitsMax: number): string =>
  text.slice(0, isHighSurrogate(text.charCodeAt(unitsMax - 1)) ? unitsMax - 1 : unitsMax)

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff
