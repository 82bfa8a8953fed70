/** Which test files share a process, and which processes start first: a decision over names and times alone. */

/** How long a file takes that none is noted for, in seconds. */
const unnotedSeconds = 0.7

/** A file of so many seconds has a process of its own. */
const longSeconds = 15

/** A process is not worth its start for less, in seconds. */
const runSecondsMin = 10

/**
 * The runs for so many `lanes`, each of which takes the next one when it is done. Long files come first, the longest before the
 * others. The rest stays in the order of its paths, since neighbours share what they set up, and comes in smaller and smaller
 * runs, so that all lanes end at about the same time, even if what is noted is no longer quite true.
 */
export const testRuns = (
  files: ReadonlyArray<string>,
  noted: Readonly<Record<string, number>>,
  lanes: number
): ReadonlyArray<ReadonlyArray<string>> => {
  const secondsOf = (file: string) => noted[file] ?? unnotedSeconds
  const sum = (some: ReadonlyArray<string>) => some.reduce((seconds, file) => seconds + secondsOf(file), 0)
  const isLong = (file: string) => secondsOf(file) >= longSeconds

  const long = files.filter(isLong).toSorted((one, other) => secondsOf(other) - secondsOf(one))
  const rest = files.filter((file) => !isLong(file)).toSorted()
  const runs = long.map((file) => [file])
  let left = sum(rest)
  while (rest.length > 0) {
    const most = Math.max(runSecondsMin, left / (2 * lanes))
    const run: Array<string> = []
    while (rest.length > 0 && sum(run) < most) run.push(rest.shift()!)
    runs.push(run)
    left -= sum(run)
  }
  return runs
}

/** How long files took, in seconds, by the reports of their runs: what is worth noting, in the order of their paths. */
export const worthNoting = (reports: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const found = reports.flatMap((report) =>
    // That of a file; those of its parts have a line.
    [...report.matchAll(/^ {2}<testsuite name="([^"]+)"[^>]* time="([\d.]+)"/gm)].map(
      ([, file, seconds]) => [file!, Math.round(Number(seconds))] as const
    )
  )
  return Object.fromEntries(
    found.filter(([, seconds]) => seconds >= 3).toSorted(([one], [other]) => (one < other ? -1 : 1))
  )
}
