/** What the command line does without a task: a project, a diagnosis, a measurement, completions, help. */
import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { commandsFor, serving, using } from "../../api/cli/commands.ts"
import { folder, programIn } from "../support/program.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { aServer } from "../support/server.ts"
import * as shop from "./handlers/shop.ts"

const { troupe } = programIn(aNamespace())

const does = (sentence: string, body: () => Promise<void>) => test.concurrent(sentence, body, 120_000)

/** The findings that a doctor prints as JSON, without the settings after them. */
const findingsIn = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((item) => "check" in item)

const root = path.resolve(import.meta.dir, "../..")

describe("troupe init", () => {
  does("makes a project whose test passes, and says what comes next", async () => {
    const { code, stderr, stdout } = await troupe(["init", "greeter", "--troupe", `file:${root}`])

    const files = [
      ...["package.json", "tsconfig.json", "handlers/greet.ts", "test/greet.test.ts"],
      ...["README.md", ".gitignore"]
    ]
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "next: cd greeter && bun install && bun test && bun run start\n"
    })
    expect(stdout).toBe(files.map((file) => `greeter/${file}\n`).join(""))

    const project = path.join(folder, "greeter")
    const { dependencies } = JSON.parse(readFileSync(path.join(project, "package.json"), "utf8"))
    expect(dependencies.troupe).toBe(`file:${root}`)
    // As an install would have it; it is tried with a registry by scripts/try-package.ts.
    mkdirSync(path.join(project, "node_modules"))
    symlinkSync(root, path.join(project, "node_modules/troupe"))
    symlinkSync(path.join(root, "node_modules/zod"), path.join(project, "node_modules/zod"))
    const tried = Bun.spawn([process.execPath, "test", "--timeout=60000"], {
      cwd: project,
      stdout: "ignore",
      stderr: "pipe"
    })
    const [said, status] = await Promise.all([new Response(tried.stderr).text(), tried.exited])
    expect(said).toContain("2 pass")
    expect(status).toBe(0)
  })

  does("refuses a folder where something is, and touches nothing in it", async () => {
    const taken = path.join(folder, "taken")
    mkdirSync(taken)
    await Bun.write(path.join(taken, "mine.txt"), "mine")

    expect(await troupe(["init", "taken"])).toEqual({
      code: 2,
      stdout: "",
      stderr: `troupe: ${taken} is not empty (mine.txt); name another folder\nsee troupe init --help\n`
    })
    expect(readdirSync(taken)).toEqual(["mine.txt"])
  })

  does("says where it cannot write, and why", async () => {
    expect(await troupe(["init", "/proc/x/y"])).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "troupe: cannot write to /proc/x/y: ENOENT: no such file or directory, mkdir '/proc/x/y'\nsee troupe init --help\n"
    })
  })

  does(
    "depends on what the project depends on that it is installed in, wherever the new one is",
    async () => {
      const installer = path.join(folder, "installer")
      const installed = path.join(installer, "node_modules/troupe")
      for (const part of ["api", "actors", "handlers", "runtime", "package.json"])
        cpSync(path.join(root, part), path.join(installed, part), { recursive: true })
      for (const name of readdirSync(path.join(root, "node_modules")))
        symlinkSync(path.join(root, "node_modules", name), path.join(installer, "node_modules", name))
      const dependsOn = async (said: string) => {
        writeFileSync(
          path.join(installer, "package.json"),
          JSON.stringify({ dependencies: { zod: "4", troupe: said } })
        )
        const made = path.join(folder, `of-${said.replaceAll(/\W+/g, "-")}`)
        const init = Bun.spawn([process.execPath, path.join(installed, "api/main.ts"), "init", made], {
          stdout: "ignore",
          stderr: "ignore"
        })
        expect(await init.exited).toBe(0)
        return JSON.parse(readFileSync(path.join(made, "package.json"), "utf8")).dependencies.troupe
      }

      expect(await dependsOn("../troupe-0.1.0.tgz")).toBe(`file:${path.join(folder, "troupe-0.1.0.tgz")}`)
      expect(await dependsOn("file:vendor/troupe.tgz")).toBe(`file:${installer}/vendor/troupe.tgz`)
      expect(await dependsOn("git+ssh://git@example.com/troupe.git")).toBe(
        "git+ssh://git@example.com/troupe.git"
      )
    }
  )

  does("takes a repository that was just made for an empty folder", async () => {
    mkdirSync(path.join(folder, "cloned/.git"), { recursive: true })
    const { code, stdout } = await troupe(["init", "cloned", "--json"])
    expect({ code, first: stdout.split("\n")[0] }).toEqual({
      code: 0,
      first: `{"file":"cloned/package.json"}`
    })
  })
})

describe("troupe doctor", () => {
  does("finds nothing to mend in a system that can be used, and names its settings", async () => {
    const { code, stderr, stdout } = await troupe(["doctor", "--port", "0"])

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    for (const check of ["redis version", "redis role", "eviction", "handlers", "files"])
      expect(stdout).toContain(`ok    ${check}`)
    // A busy machine may be slow.
    for (const check of ["clock", "latency"])
      expect(stdout).toMatch(new RegExp(`^(ok  |warn)  ${check} `, "m"))
    expect(stdout).toContain(`→ redis-cli -s '${redisUrl.replace("unix:", "")}' config set maxmemory`)
    expect(stdout).toMatch(/^TROUPE_LEASE +15s {2}\(default\)$/m)
    expect(stdout).toMatch(/^TROUPE_PORT +0$/m)
  })

  does("tells of a Redis that evicts, and exits with 5", async () => {
    const { code, stdout } = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(aServer("--maxmemory-policy", "allkeys-lru"), ({ url }) =>
          Effect.promise(() => troupe(["doctor", "--json", "--port", "0", "--redis", url]))
        )
      )
    )
    expect(code).toBe(5)
    expect(findingsIn(stdout)).toContainEqual({
      check: "eviction",
      state: "fail",
      says: "maxmemory-policy is allkeys-lru: it throws tasks away when its memory is full",
      do: expect.stringMatching(/^redis-cli -\S.* config set maxmemory-policy noeviction, and in redis.conf$/)
    })
  })

  does("tells of a Redis that is full, and exits with 5", async () => {
    const { code, stdout } = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(aServer("--maxmemory", "100kb"), ({ url }) =>
          Effect.promise(() => troupe(["doctor", "--json", "--port", "0", "--redis", url]))
        )
      )
    )

    expect(code).toBe(5)
    expect(findingsIn(stdout)).toContainEqual({
      check: "memory",
      state: "fail",
      says: expect.stringContaining("it is full, and every submit is refused"),
      do: expect.stringContaining("raise maxmemory")
    })
    expect(findingsIn(stdout)).toContainEqual(expect.objectContaining({ check: "workers" }))
  })

  does("says of a wrong password what mends that, and of an address that is none", async () => {
    const [password, address] = await Promise.all([
      Effect.runPromise(
        Effect.scoped(
          Effect.flatMap(aServer("--requirepass", "secret"), ({ url }) =>
            Effect.promise(() => troupe(["doctor", "--json", "--port", "0", "--redis", url]))
          )
        )
      ),
      troupe(["doctor", "--json"], { env: { REDIS_URL: "redis://h:99999" } })
    ])

    expect(password.code).toBe(5)
    expect(findingsIn(password.stdout)).toContainEqual({
      check: "redis",
      state: "fail",
      says: expect.stringContaining("refuses the user or password"),
      do: expect.stringContaining("percent-encoded")
    })
    expect(address.code).toBe(2)
    expect(findingsIn(address.stdout)).toEqual([
      {
        check: "settings",
        state: "fail",
        says: "REDIS_URL: it is not a URL such as redis://127.0.0.1:6379",
        do: "correct it, or unset it"
      }
    ])
  })

  does("hides the password of a Redis that nobody reaches", async () => {
    const { code, stderr, stdout } = await troupe(["doctor", "--port", "0"], {
      env: { REDIS_URL: "redis://app:hunter2@127.0.0.1:1" }
    })
    expect(code).toBe(5)
    expect(stdout).toContain("fail  redis         no Redis answers at 127.0.0.1:1")
    expect(stdout).toContain("redis://app:***@127.0.0.1:1")
    expect(stdout + stderr).not.toContain("hunter2")
  })

  does("tells of every setting that cannot be used, and exits with 2", async () => {
    const { code, stdout } = await troupe(["doctor", "--json"], {
      env: { TROUPE_PROT: "80", TROUPE_LEASE: "soon" }
    })
    expect(code).toBe(2)
    expect(findingsIn(stdout).map(({ says }) => says)).toEqual([
      `TROUPE_LEASE: "soon" is not a duration such as "15 seconds"`,
      "TROUPE_PROT: there is no such setting; did you mean TROUPE_PORT?"
    ])
  })

  does("tells of a port where somebody else listens", async () => {
    using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") })
    const { code, stdout } = await troupe(["doctor", "--json", "--port", String(other.port)])
    expect(code).toBe(1)
    expect(findingsIn(stdout)).toContainEqual({
      check: "port",
      state: "fail",
      says: `somebody else listens at 127.0.0.1:${other.port}`,
      do: "stop it, or choose another with TROUPE_PORT"
    })
  })
})

describe("troupe bench", () => {
  does("measures, as a table or as JSON, and leaves no key behind", async () => {
    const { code, stdout } = await troupe(["bench", "--tasks", "20", "--quick", "--json"])

    expect(code).toBe(0)
    const figures = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(figures.map((figure) => [figure.bench, figure.case, figure.metric, figure.unit])).toEqual([
      ["local", "submit", "rate", "tasks/s"],
      ["local", "run", "rate", "tasks/s"],
      ["local", "ask", "p50", "ms"],
      ["local", "ask", "p99", "ms"]
    ])
    for (const { max, median, min } of figures) expect(min <= median && median <= max).toBeTrue()
    const keys = Bun.spawnSync(["redis-cli", "-s", redisUrl.replace("unix:", ""), "keys", "bench-*"])
    if (keys.success) expect(keys.stdout.toString().trim()).toBe("")
  })
})

/** Where there is no such shell, nobody can say. */
const doesWith = (shell: string, sentence: string, body: () => Promise<void>) =>
  Bun.which(shell) === null ? test.skip(sentence, () => {}) : does(sentence, body)

describe("completions", () => {
  for (const [shell, sign] of [
    ["bash", "complete -F"],
    ["zsh", "#compdef troupe"],
    ["fish", "complete -c troupe"],
    ["pwsh", "Register-ArgumentCompleter"]
  ] as const) {
    does(`are there for ${shell}`, async () => {
      const { code, stderr, stdout } = await troupe(["--completions", shell])
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toContain(sign)
      for (const command of ["submit", "doctor", "--idempotency-key"])
        expect(stdout).toContain(command.replace(/^--/, ""))
    })
  }

  does("complete a command and its flags in bash", async () => {
    const script = path.join(folder, "completions.bash")
    await Bun.write(script, (await troupe(["--completions", "bash"])).stdout)
    // As bash itself calls it, once somebody presses the tab key.
    const press = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}
      _troupe; printf '%s\\n' "\${COMPREPLY[@]}"`
    const complete = (words: ReadonlyArray<string>) =>
      Bun.spawnSync(["bash", "--norc", "-c", press, script, ...words]).stdout.toString()
    expect(complete(["troupe", "sub"]).trim()).toBe("submit")
    expect(complete(["troupe", "submit", "--idem"]).trim()).toBe("--idempotency-key")
  })

  doesWith("zsh", "complete a command and its flags in zsh, when the tab key is pressed once", async () => {
    const home = path.join(folder, "zsh")
    await Bun.write(path.join(home, "_troupe"), (await troupe(["--completions", "zsh"])).stdout)
    await Bun.write(
      path.join(home, ".zshrc"),
      `fpath=(${home} $fpath); autoload -Uz compinit; compinit -u -d ${home}/dump; PS1='ready> '`
    )
    let screen = ""
    let heard = Promise.withResolvers<void>()
    const zsh = Bun.spawn(["zsh", "-i"], {
      cwd: home,
      env: { PATH: process.env["PATH"]!, HOME: home, ZDOTDIR: home, TERM: "dumb" },
      terminal: {
        cols: 200,
        rows: 50,
        data: (_, bytes) => {
          screen += new TextDecoder().decode(bytes)
          heard.resolve()
          heard = Promise.withResolvers()
        }
      }
    })
    const shows = async (text: string) => {
      while (!screen.includes(text)) await heard.promise
    }
    await shows("ready> ")
    for (const [typed, completed] of [
      ["troupe sub", "troupe submit "],
      ["troupe submit --idem", "troupe submit --idempotency-key "],
      ["troupe queues pu", "troupe queues purge "]
    ] as const) {
      screen = ""
      zsh.terminal!.write(`${typed}\t`)
      await shows(completed)
      zsh.terminal!.write("\x15")
    }
    zsh.kill("SIGKILL")
    await zsh.exited
  })

  doesWith("fish", "complete a command and its flags in fish", async () => {
    const script = path.join(folder, "troupe.fish")
    await Bun.write(script, (await troupe(["--completions", "fish"])).stdout)
    const complete = (line: string) =>
      Bun.spawnSync(["fish", "--no-config", "-c", `source ${script}; complete -C "${line}"`], {
        env: { PATH: process.env["PATH"]!, HOME: folder }
      })
        .stdout.toString()
        .trim()
        .split("\n")
        .map((line) => line.split("\t")[0])
    expect(complete("troupe sub")).toEqual(["submit"])
    expect(complete("troupe submit --idem")).toEqual(["--idempotency-key"])
    expect(complete("troupe queues pu")).toEqual(["purge"])
    expect(complete("troupe submit --priority u")).toEqual(["urgent"])
  })
})

describe("every command", () => {
  interface Described {
    readonly name: string
    readonly examples: ReadonlyArray<unknown>
    readonly config: { readonly flags: ReadonlyArray<unknown> }
    readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Described> }>
  }
  const named = (command: Described, above: string): ReadonlyArray<readonly [string, Described]> => {
    const name = `${above} ${command.name}`
    const below = command.subcommands.flatMap(({ commands }) => commands.flatMap((one) => named(one, name)))
    return [[name, command], ...below]
  }
  const all = async () => {
    const commands = await commandsFor({ ...serving, ...using }, Object.values(shop), [])
    return (commands as ReadonlyArray<unknown> as ReadonlyArray<Described>).flatMap((one) =>
      named(one, "troupe")
    )
  }

  test("has help with an example", async () => {
    const without = (await all()).filter(([, { examples }]) => examples.length === 0)
    expect(without.map(([name]) => name)).toEqual([])
  })

  test("that prints something prints it as JSON, too", async () => {
    const serve = ["troupe up", "troupe worker", "troupe api"]
    const without = (await all()).filter(
      ([name, { config }]) => !serve.includes(name) && !JSON.stringify(config.flags).includes(`"json"`)
    )
    expect(without.map(([name]) => name)).toEqual([])
  })
})
