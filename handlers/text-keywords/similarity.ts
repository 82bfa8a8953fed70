/** Whether two keywords are so alike that one of them is enough: by the letters that must be changed (Levenshtein). */

/** Whether the part of letters that two texts share is more than `most`, from 0 to 1. */
export const tooSimilar = (a: string, b: string, most: number): boolean => {
  const longer = Math.max(a.length, b.length)
  // They differ by their lengths at least, which most pairs are told apart by.
  const allowed = (1 - most) * longer
  if (Math.abs(a.length - b.length) >= allowed) return a === b && most < 1
  return changes(a, b) < allowed
}

const changes = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
