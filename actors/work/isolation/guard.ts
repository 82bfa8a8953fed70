/**
 * Ends what isolated runs have started, where their worker dies and cannot.
 *
 * The kernel ends an isolated process with its worker (`runtime/parent-death.ts`), but not what that has started in its turn. So a
 * shell waits at a pipe that the worker alone holds open, and when it is closed kills the groups that it was told of.
 */

/** It hears `keep` and `drop`, each with a group. */
const script = `
groups=
while read -r word group; do
  case $word in
    keep) groups="$groups $group" ;;
    drop)
      left=
      for one in $groups; do [ "$one" = "$group" ] || left="$left $one"; done
      groups=$left ;;
  esac
done
for one in $groups; do kill -9 -"$one"; done
`

export interface Guard {
  /** The group of a process is ended with this one. */
  readonly keep: (pid: number) => void
  /** It was ended. */
  readonly drop: (pid: number) => void
  /** Ends the guard, and what it was told of and is still there. */
  readonly close: () => void
}

const none: Guard = { keep: () => {}, drop: () => {}, close: () => {} }

/** Where there is no shell, nobody guards. */
export const openGuard = (): Guard => {
  try {
    const shell = Bun.spawn(["sh", "-c", script], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      // It outlives its group: that is what it is for.
      detached: true,
      env: { PATH: process.env["PATH"] ?? "" }
    })
    shell.unref()
    const say = (line: string) => {
      if (shell.exitCode !== null || shell.signalCode !== null) return
      void shell.stdin.write(`${line}\n`)
      void shell.stdin.flush()
    }
    return {
      keep: (pid) => say(`keep ${pid}`),
      drop: (pid) => say(`drop ${pid}`),
      close: () => void shell.stdin.end()
    }
  } catch {
    return none
  }
}
