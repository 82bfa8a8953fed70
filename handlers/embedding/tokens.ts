/**
 * How many tokens a text has, about: enough to fill calls and to reserve a provider's rate, which is set right by what
 * the provider says. Tokenizers of today give a token to some four letters of ASCII, and to each sign of other scripts.
 */

const asciiPerToken = 4

/** At least 1. */
export const tokensOf = (text: string): number => {
  let ascii = 0
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 128) ascii++
  return Math.max(1, Math.ceil(ascii / asciiPerToken) + (text.length - ascii))
}
