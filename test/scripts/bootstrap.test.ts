/**
 * What `scripts/bootstrap.sh` asks of the package managers of systems that are not this one. They are stood in for by programs
 * that write down what they were told, and put a server there where they would.
 */
import { afterAll, describe, expect, test } from "bun:test"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const root = path.resolve(import.meta.dir, "../..")
const all = mkdtempSync(path.join(tmpdir(), "troupe-bootstrap-"))
afterAll(() => rmSync(all, { recursive: true, force: true }))

/** What the script itself runs. */
const tools = [
  "sh",
  "cat",
  "sed",
  "dirname",
  "mkdir",
  "rmdir",
  "rm",
  "ln",
  "cp",
  "readlink",
  "sleep",
  "ps",
  "grep",
  "tr",
  "chmod"
]

interface Machine {
  /** The managers there are, and what each has: the arguments that name a package, and which server comes with it. */
  readonly managers: Readonly<Record<string, ReadonlyArray<readonly [said: string, server?: string]>>>
  readonly root?: boolean
}

/** A machine without a Redis, on which the script runs. */
const bootstrapOn = ({ managers, root: isRoot = true }: Machine, ...args: ReadonlyArray<string>) => {
  const folder = mkdtempSync(path.join(all, "machine-"))
  const bin = path.join(folder, "bin")
  const log = path.join(folder, "log")
  mkdirSync(bin)
  mkdirSync(path.join(folder, "scripts"))
  mkdirSync(path.join(folder, "node_modules"))
  for (const file of ["scripts/bootstrap.sh", "scripts/bun.sh", "package.json", "bun.lock"]) {
    cpSync(path.join(root, file), path.join(folder, file))
  }
  // Its packages are there already.
  cpSync(path.join(root, "bun.lock"), path.join(folder, "node_modules/.bootstrapped"))
  for (const tool of tools) symlinkSync(Bun.which(tool)!, path.join(bin, tool))
  symlinkSync(process.execPath, path.join(bin, "bun"))
  const program = (name: string, body: string) => {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${body}\n`)
    chmodSync(path.join(bin, name), 0o755)
  }
  program("id", `echo ${isRoot ? 0 : 501}`)
  for (const [manager, has] of Object.entries(managers)) {
    const cases = has.map(([said, server]) => {
      const [name = "", says = ""] = server?.split(" ") ?? []
      const put = `printf '#!/bin/sh\\necho "server v=${says} sha=0"\\n' >${bin}/${name}; chmod 755 ${bin}/${name}; exit 0`
      return `"${said}") ${server === undefined ? "exit 0" : put} ;;`
    })
    program(manager, `echo "${manager} $*" >>${log}\ncase "$*" in\n${cases.join("\n")}\nesac\nexit 1`)
  }
  const { exitCode, stderr } = Bun.spawnSync(["sh", "scripts/bootstrap.sh", ...args], {
    cwd: folder,
    env: { PATH: bin, HOME: folder }
  })
  const told = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []
  return { exitCode, stderr: stderr.toString(), told }
}

/** Where a server lies beside PATH it is taken, and nobody is asked for one. */
const isBeside = [
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/opt/homebrew/bin",
  "/home/linuxbrew/.linuxbrew/bin"
].some((folder) => ["redis-server", "valkey-server"].some((name) => existsSync(path.join(folder, name))))

describe.skipIf(isBeside)("a Redis server is installed, without a question,", () => {
  for (const [where, machine, told] of [
    [
      "on Alpine",
      { managers: { apk: [["add --no-cache redis", "redis-server 7.2.7"]] } },
      ["apk add --no-cache redis"]
    ],
    [
      "on an Alpine that has only Valkey",
      { managers: { apk: [["add --no-cache valkey", "valkey-server 8.1.0"]] } },
      ["apk add --no-cache redis", "apk add --no-cache valkey"]
    ],
    [
      "by Homebrew, which wants no root",
      { root: false, managers: { brew: [["install redis", "redis-server 8.2.1"]] } },
      ["brew install redis"]
    ],
    [
      "by Homebrew, when Redis is gone from it",
      { root: false, managers: { brew: [["install valkey", "valkey-server 8.1.0"]] } },
      ["brew install redis", "brew install valkey"]
    ],
    [
      "on Fedora",
      { managers: { dnf: [["-y install valkey", "valkey-server 8.0.2"]] } },
      ["dnf -y install valkey"]
    ],
    [
      "on an older Red Hat, when its Redis is new enough",
      { managers: { dnf: [["-y install redis >= 7", "redis-server 7.2.6"]] } },
      ["dnf -y install valkey", "dnf -y install redis >= 7"]
    ],
    [
      "on Arch",
      { managers: { pacman: [["-S --noconfirm --needed valkey", "valkey-server 8.1.3"]] } },
      ["pacman -S --noconfirm --needed valkey"]
    ],
    [
      "on openSUSE",
      { managers: { zypper: [["-n install redis", "redis-server 7.2.4"]] } },
      ["zypper -n install valkey", "zypper -n install redis"]
    ]
  ] as ReadonlyArray<readonly [string, Machine, ReadonlyArray<string>]>) {
    test(where, () => {
      const ran = bootstrapOn(machine, "--redis", "required")
      expect({ ...ran, stderr: ran.stderr.split("\n")[0] }).toEqual({
        exitCode: 0,
        stderr: `bootstrap: installing a Redis server with ${Object.keys(machine.managers)[0]}`,
        told: [...told]
      })
    })
  }
})

describe.skipIf(isBeside)("where none can be had", () => {
  test("the tests say why they cannot run, and the start goes on without", () => {
    const old: Machine = { managers: { apk: [["add --no-cache redis", "redis-server 6.2.14"]] } }
    const required = bootstrapOn(old, "--redis", "required")
    expect(required.exitCode).toBe(1)
    expect(required.stderr).toContain(
      "no redis-server or valkey-server 7.0 or newer is on PATH, and apk gave none"
    )
    const wanted = bootstrapOn(old)
    expect(wanted.exitCode).toBe(0)
    expect(wanted.stderr).toContain("falls back to the memory store")
  })

  test("nobody is asked for a password", () => {
    const { exitCode, stderr, told } = bootstrapOn(
      { root: false, managers: { apk: [["add --no-cache redis", "redis-server 7.2.7"]] } },
      "--redis",
      "required"
    )
    expect({ exitCode, told }).toEqual({ exitCode: 1, told: [] })
    expect(stderr).toContain("there is no package manager that this user may install with, unasked")
  })
})
