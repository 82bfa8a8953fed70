/** Ends a process of ours, if it lives, and what it has started: it leads a group, which that is in. */
export const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Nobody is left.
  }
}
