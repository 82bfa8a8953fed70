/** Looks once what this machine offers to confine commands with. */
import { Effect } from "effect"
import { namespaceFlags, nobody, systemPath, type Tools } from "./sandbox.ts"

const probeMax = "5 seconds"

const succeeds = (command: ReadonlyArray<string>) =>
  Effect.tryPromise(
    (signal) =>
      Bun.spawn([...command], {
        env: { PATH: systemPath },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        signal
      }).exited
  ).pipe(
    Effect.map((code) => code === 0),
    Effect.timeoutOrElse({ duration: probeMax, orElse: () => Effect.succeed(false) }),
    Effect.orElseSucceed(() => false)
  )

export const probe: Effect.Effect<Tools> = Effect.gen(function* () {
  const isLinux = process.platform === "linux"
  const which = (name: string) => (isLinux ? (Bun.which(name, { PATH: systemPath }) ?? undefined) : undefined)
  const [prlimit, setpriv, unshare] = ["prlimit", "setpriv", "unshare"].map(which)
  const sh = "/bin/sh"
  const asNobody = process.getuid?.() === 0 && setpriv !== undefined
  const user = asNobody ? [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : []
  const namespaces =
    setpriv !== undefined &&
    unshare !== undefined &&
    (yield* succeeds([
      ...[setpriv, ...user, unshare, ...namespaceFlags, sh, "-c"],
      ...["mount -t tmpfs none /mnt && exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all true"]
    ]))
  return { sh, prlimit, setpriv, unshare, namespaces, asNobody }
})
