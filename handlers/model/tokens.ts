/** How many tokens a text has, about: for what must be known before a provider counts them. */

/**
 * Four bytes of UTF-8 to a token, rounded up. That is near what tokenizers make of English prose, and more than they make of
 * most other scripts; code and numbers may have half as many again.
 */
export const estimateTokens = (text: string): number => tokensOfBytes(Buffer.byteLength(text))

/**
 * Whether what a provider says can be how many tokens a call took. It is added up for good, so what is no such number is as
 * if nothing was said: then it is estimated.
 */
export const isTokenCount = (said: number | undefined): said is number =>
  Number.isInteger(said) && said! >= 0 && said! <= tokenCountMax

const tokenCountMax = 1_000_000_000_000

/** The same of texts that have so many bytes together. */
export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / 4)

/**
 * So many tokens a text has at least, about, whatever its script: for what must never be cut off too early. Tokenizers of
 * today put four or five letters of English into a token, three or four of Russian, Hindi or Arabic, and one or two of
 * Chinese.
 */
export const tokensAtLeast = (text: string): number => {
  let quarters = 0
  for (let at = 0; at < text.length; at++) quarters += text.charCodeAt(at) < firstOfEastAsia ? 1 : 2
  return quarters / 4
}

/** From here on are the signs of China, Japan and Korea, and halves of surrogate pairs. */
const firstOfEastAsia = 0x2e80
