/**
 * How a command is started so that it can do as little as possible: decisions over plain values.
 *
 * Where the machine lets us, it gets namespaces of its own (`unshare`): no network, no other processes to see, its folder
 * alone of those that other commands have, and what the worker keeps covered up. What starts it dies with the worker, and
 * takes all it has started along. Everywhere it has limits on each process.
 */
import type { Limits } from "./input.ts"

/** Where what confines a command is looked for, whatever the worker's own path. */
export const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

/** What this machine offers, as `probe.ts` finds it: paths of programs. */
export interface Tools {
  readonly sh: string
  readonly prlimit: string | undefined
  readonly setpriv: string | undefined
  readonly unshare: string | undefined
  /** Whether namespaces can really be made here. */
  readonly namespaces: boolean
  /** The worker runs as root, and starts commands as another user. */
  readonly asNobody: boolean
}

/** The user and group without rights, by their usual number. */
export const nobody = 65_534

export interface Place {
  /** The folder that the command works in: `<base>/work/<its own>`. */
  readonly folder: string
  readonly base: string
  /** Folders that are covered up. */
  readonly masked: ReadonlyArray<string>
}

/**
 * In the namespaces, as process 1: covers up the folders of other commands, and all that is masked, and waits for the
 * command. When it ends, the kernel ends all that is left of it.
 */
const enter = `
mount --bind "$1" "$2" && mount -t tmpfs -o size=64k none "$3" && mkdir "$1" && mount --bind "$2" "$1" && umount "$2" && cd "$1" || exit 125
shift 3
masked=$1
shift
while [ "$masked" -gt 0 ]; do
  mount -t tmpfs -o ro,size=4k none "$1" || exit 125
  shift
  masked=$((masked - 1))
done
"$@"
exit $?`

/** Without `prlimit`: the shell's own limits, in its units, of which a shell may lack some. */
const limited = (limits: Limits) =>
  [
    "ulimit -c 0",
    `ulimit -t ${limits.cpuSeconds}`,
    `ulimit -f ${Math.max(1, Math.floor(limits.fileBytes / 512))}`,
    "ulimit -n 256",
    `ulimit -d ${limits.memoryMb * 1_024} 2>/dev/null || ulimit -v ${limits.memoryMb * 1_024} 2>/dev/null`,
    `ulimit -u ${limits.processes} 2>/dev/null || ulimit -p ${limits.processes} 2>/dev/null`,
    'exec "$@"'
  ].join("\n")

/**
 * A command with the environment that it asks for, as a command line and an environment in which none of these variables
 * has a meaning. They come to be what they are in the last step: what confines a command runs with other rights, and is
 * not to load, to find or to mount what the command says.
 */
export const withEnvironment = (
  sh: string,
  command: ReadonlyArray<string>,
  variables: Readonly<Record<string, string>>
): { readonly command: ReadonlyArray<string>; readonly env: Readonly<Record<string, string>> } => {
  const all = Object.entries(variables)
  const named = all.map(([name], at) => `${name}="$VALUE_${at}"`)
  return {
    command: [sh, "-c", `exec env -i ${named.join(" ")} "$@"`, "sh", ...command],
    env: Object.fromEntries([
      ["PATH", systemPath],
      ...all.map(([, value], at): [string, string] => [`VALUE_${at}`, value])
    ])
  }
}

/** The command line that runs `command` at a place within its limits. */
export const commandLine = (
  tools: Tools,
  command: ReadonlyArray<string>,
  { base, folder, masked }: Place,
  limits: Limits
): ReadonlyArray<string> => {
  const { asNobody, namespaces, prlimit, setpriv, sh, unshare } = tools
  const bounded =
    prlimit === undefined
      ? [sh, "-c", limited(limits), "sh"]
      : [
          ...[prlimit, "--core=0", "--nofile=256", `--cpu=${limits.cpuSeconds}`],
          ...[`--data=${limits.memoryMb * 1_048_576}`, `--fsize=${limits.fileBytes}`],
          // Process 1 and this one count as well.
          ...[`--nproc=${limits.processes + (namespaces ? 1 : 0)}`, "--"]
        ]
  if (setpriv === undefined) return [...bounded, ...command]
  const user = asNobody ? [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : []
  const powerless = [setpriv, "--no-new-privs", "--inh-caps=-all"]
  if (!namespaces || unshare === undefined) {
    return [setpriv, "--pdeathsig=KILL", "--no-new-privs", ...user, ...bounded, ...command]
  }
  return [
    ...[setpriv, "--pdeathsig=KILL", ...user],
    ...[unshare, ...namespaceFlags],
    ...[sh, "-c", enter, "sh", folder, `${base}/hold`, `${base}/work`, String(masked.length), ...masked],
    ...[...bounded, ...powerless, "--bounding-set=-all", ...command]
  ]
}

export const namespaceFlags: ReadonlyArray<string> = [
  ...["--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts"],
  ...["--fork", "--kill-child=KILL", "--mount-proc"]
]

/** Of folders that hold what is the worker's, those that can be covered up without covering what the command needs. */
export const maskable = (
  folders: ReadonlyArray<string>,
  needed: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const isWithin = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)
  const free = folders.filter(
    (folder) =>
      folder !== "/" && folder !== "" && ![...system, ...needed].some((path) => isWithin(path, folder))
  )
  // One inside of another is covered by it, and no longer there.
  return [...new Set(free)].filter(
    (folder) => !free.some((other) => other !== folder && isWithin(folder, other))
  )
}

const system = ["/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/usr"]

/** How a command ended. A shell that waits for it tells a signal as 128 and its number. */
export const endingOf = (
  { code, signal }: { readonly code: number | null; readonly signal: string | null },
  behindShell: boolean
): { readonly exitCode: number | null; readonly signal?: string } => {
  if (signal !== null) return { exitCode: null, signal }
  const name = behindShell && code !== null && code > 128 ? signals[code - 128] : undefined
  return name === undefined ? { exitCode: code } : { exitCode: null, signal: name }
}

const signals: Readonly<Record<number, string>> = {
  ...{
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE"
  },
  ...{
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM"
  },
  ...{ 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS" }
}
