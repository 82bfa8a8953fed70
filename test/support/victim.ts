/** A process of ours that a test may kill, stop and let go on. */
import { eventually, isAlive } from "./node.ts"

export interface VictimOptions {
  readonly program: string
  readonly args?: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

export const startVictim = ({ args = [], env, program }: VictimOptions) => {
  const child = Bun.spawn([process.execPath, program, ...args], {
    env: { PATH: process.env["PATH"]!, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe"
  })
  let said = ""
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text
  })()
  const failed = child.exited.then(async (code) => {
    await reading
    if (child.signalCode === null && code !== 0) throw new Error(`${program} ended with ${code}: ${said}`)
    return new Promise<never>(() => {})
  })
  failed.catch(() => {})
  return {
    pid: child.pid,
    /** Its end: an exit code, or the name of the signal. */
    exited: child.exited.then(() => child.exitCode ?? child.signalCode),
    /** Rejects with what it said when it ended badly by itself. */
    failed,
    kill: () => child.kill("SIGKILL"),
    /** It drains, and ends. */
    stop: () => child.kill("SIGTERM"),
    /** Resolves when it runs no more. */
    pause: async () => {
      child.kill("SIGSTOP")
      await eventually("the process to stand still", async () =>
        /^State:\s+T/m.test(await Bun.file(`/proc/${child.pid}/status`).text()) ? true : undefined
      )
    },
    goOn: () => child.kill("SIGCONT"),
    isAlive: () => isAlive(child.pid)
  }
}

export type Victim = ReturnType<typeof startVictim>
