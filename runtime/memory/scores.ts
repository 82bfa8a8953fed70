/** The two Redis types that plain Maps lack: a sorted set, and a list of names under a key. */

/** Member → score. */
export type Scores = Map<string, number>

/** Members with their scores in Redis's order: by score, then by bytes. */
export const byScore = (scores: Scores): Array<[string, number]> =>
  [...scores].sort(([a, low], [b, high]) => low - high || (a < b ? -1 : 1))

/** Names that watch one task; the newest first. */
const namesMax = 32

export const add = (lists: Map<string, Array<string>>, key: string, name: string): void => {
  const others = (lists.get(key) ?? []).filter((other) => other !== name)
  lists.set(key, [name, ...others].slice(0, namesMax))
}
