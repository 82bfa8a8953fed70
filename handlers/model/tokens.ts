/** How many tokens a text has, about: for what must be known before a provider counts them. */

/**
 * Four bytes of UTF-8 to a token, rounded up. That is near what tokenizers make of English prose, and more than they make of
 * most other scripts; code and numbers may have half as many again.
 */
export const estimateTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4)
