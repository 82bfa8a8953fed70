/** A process of ours that a test may kill, stop and let go on. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename } from "node:path"
import { atTheEnd } from "./end.ts"
import { hear } from "./hearing.ts"
import { eventually, isAlive } from "./node.ts"

const folder = mkdtempSync(`${tmpdir()}/troupe-victims-`)
atTheEnd(async () => rmSync(folder, { recursive: true, force: true }))

const bundles = new Map<string, Promise<string>>()

const bundle = async (program: string): Promise<string> => {
  const { outputs } = await Bun.build({ entrypoints: [program], target: "bun", outdir: folder })
  return outputs[0]!.path
}

/** A program as one file, made once: many are started, and one file starts in half the time. */
export const bundled = (program: string): Promise<string> => {
  const there = bundles.get(program) ?? bundle(program)
  bundles.set(program, there)
  return there
}

export interface VictimOptions {
  /** One file, as `bundled` gives it. */
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
  const { over, said } = hear(child.stderr)
  const failed = child.exited.then(async (code) => {
    await over
    if (child.signalCode === null && code !== 0)
      throw new Error(`${basename(program)} ended with ${code}: ${said()}`)
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
