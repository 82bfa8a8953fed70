/**
 * Texts as words: what search and keywords compare.
 *
 * Two texts that say the same thing in other forms ("retries", "retried", "Retrying") give the same terms. Stop words
 * and endings are those of English; other languages are compared by their words as they stand, and scripts without
 * spaces by pairs of letters.
 */

/** The terms of a text in order, with repetitions: lower case, without accents, stop words and endings. */
export const terms = (text: string): Array<string> =>
  words(text)
    .filter((word) => !isStopWord(word))
    .map(stem)

/** The words of a text in order: lower case, without accents. */
export const words = (text: string): Array<string> =>
  (
    text
      .normalize("NFKD")
      .replace(/\p{M}+/gu, "")
      .toLowerCase()
      .match(word) ?? []
  ).flatMap((found) => (unspaced.test(found) ? pairs(found) : found.replace(/['’](s|t|re|ve|ll|d|m)?$/, "")))

export const isStopWord = (word: string): boolean => stopWords.has(word)

/**
 * The word without its English ending. Light on purpose: it takes off plurals, -ed, -ing and -ly, and leaves
 * the rest, because two words made one by mistake do more harm to a short question than two forms kept apart.
 */
export const stem = (word: string): string => {
  if (word.length < 4 || !/^[a-z]+$/.test(word)) return word
  if (/^.ie[sd]$/.test(word)) return word.slice(0, 3)
  for (const [ending, least, instead] of endings) {
    if (!word.endsWith(ending)) continue
    const rest = word.slice(0, -ending.length)
    if (rest.length < least || !/[aeiouy]/.test(rest)) return finish(word)
    return finish(instead === undefined ? undouble(rest) : rest + instead)
  }
  return finish(word)
}

const word = /[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu

const unspaced = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

const pairs = (run: string): Array<string> => {
  const letters = Array.from(run)
  return letters.length < 2 ? letters : letters.slice(1).map((letter, at) => letters[at]! + letter)
}

/** An ending, the letters that must remain before it, and what stands instead of it; the first that fits is taken. */
const endings: ReadonlyArray<readonly [ending: string, least: number, instead?: string]> = [
  ["sses", 2, "ss"],
  ["ies", 2, "y"],
  ["ied", 2, "y"],
  ["ss", 1, "ss"],
  ["us", 1, "us"],
  ["ings", 3],
  ["ing", 3],
  ["edly", 3],
  ["ed", 3],
  ["ly", 4, ""],
  ["s", 3, ""]
]

/** "stopp" of "stopped" is "stop", but "call" of "called" is "call". */
const undouble = (rest: string) => (/([bdgmnprt])\1$/.test(rest) ? rest.slice(0, -1) : rest)

/** "lease", "leasing" and "leased" end alike, and so do "retry" and "retries". */
const finish = (word: string) => (word.length > 3 ? word.replace(/e$/, "").replace(/y$/, "i") : word)

const stopWords = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both
  but by can cannot could did do does doing done don down during each either else ever every few for from further get
  gets got had happen happened happening happens has have having he her here hers him his how however i if in into is isn it its itself just let ll like
  made make makes many may me might more most much must my no nor not now of off often on once one only onto or other
  our ours out over own per put s same shall she should since so some such t than that the their theirs them then
  there these they this those though through to too under until up upon us use used uses using very via was we were
  what when where whether which while who whom whose why will with within without would yet you your yours`.split(
    /\s+/
  )
)
