import { describe, expect } from "bun:test"
import { Deferred, Effect, Fiber, Result } from "effect"
import * as fs from "node:fs/promises"
import { shellRun } from "../../../handlers/shell-run/index.ts"
import { Files } from "../../../runtime/files.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { localServer } from "../../support/network.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"
import { eventually, isAlive } from "../../support/waiting.ts"

interface Output {
  readonly exitCode: number | null
  readonly signal?: string
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
  readonly files: ReadonlyArray<{ readonly name: string; readonly id: string; readonly bytes: number }>
  readonly isolation: { readonly namespaces: boolean; readonly user: string }
}

const everything = ["sh", "echo", "cat", "env", "id", "sleep", "/usr/bin/printf"]

const run = (
  input: Readonly<Record<string, unknown>>,
  {
    allowed = everything,
    task = recordingTask().task,
    files
  }: {
    readonly allowed?: ReadonlyArray<string>
    readonly task?: ReturnType<typeof recordingTask>["task"]
    readonly files?: string
  } = {}
) =>
  Effect.gen(function* () {
    const folder = files ?? (yield* temporaryFolder)
    return (yield* Effect.provide(
      runHandler(shellRun as never, input, task),
      settings({ files: folder, shell: allowed })
    )) as Output
  })

const script = (text: string, over: Readonly<Record<string, unknown>> = {}) => run({ script: text, ...over })

describe("a command", () => {
  it.live("is refused, with what to do, while no program is allowed", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(run({ program: "echo" }, { allowed: [] }))
      expect(refused).toMatchObject({
        name: "ShellDisabled",
        message: expect.stringContaining("TROUPE_SHELL")
      })
    })
  )

  it.live("is refused when its program is not allowed, by name or by path, a script without sh as well", () =>
    Effect.gen(function* () {
      const refused = (input: Readonly<Record<string, unknown>>) =>
        Effect.flip(run(input, { allowed: ["echo", "no-such-program"] }))
      expect(yield* refused({ program: "id" })).toMatchObject({ name: "ProgramNotAllowed" })
      expect(yield* refused({ program: "/bin/echo" })).toMatchObject({ name: "ProgramNotAllowed" })
      expect(yield* refused({ script: "echo" })).toMatchObject({ name: "ProgramNotAllowed" })
      expect(yield* refused({ program: "no-such-program" })).toMatchObject({ name: "ProgramMissing" })
    })
  )

  it.live("gets its arguments as they are: no shell reads them", () =>
    Effect.gen(function* () {
      const { exitCode, stdout } = yield* run({ program: "echo", args: ["$HOME; id", "*", "a  b", "`id`"] })
      expect(exitCode).toBe(0)
      expect(stdout).toBe("$HOME; id * a  b `id`\n")
    })
  )

  it.live("sees nothing of the worker's environment, and what it is given", () =>
    Effect.gen(function* () {
      process.env["TEST_OF_SHELL"] = "of-the-worker"
      const { stdout } = yield* run({ program: "env", env: { GREETING: "hello" } })
      delete process.env["TEST_OF_SHELL"]
      const names = stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=", 1)[0]!)
      expect(names.filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name)).sort()).toEqual([
        "GREETING",
        "HOME",
        "LANG",
        "PATH",
        "TMPDIR"
      ])
    })
  )

  it.live("has the variables that it asks for, and what confines it has none of them", () =>
    Effect.gen(function* () {
      const env = { PATH: "/nowhere", IFS: "o", LIBMOUNT_FSTAB: "x", SAID: `"$PATH" $(id) \`id\`\n'` }
      const { exitCode, stdout } = yield* run({ program: "/usr/bin/printf", args: ["%s", "so far"], env })
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "so far" })
      const seen = yield* run({ program: "env", env })
      expect(seen.stdout).toContain("PATH=/nowhere\n")
      expect(seen.stdout).toContain(`SAID=${env.SAID}`)
      expect(seen.stdout).not.toContain("VALUE_")
    })
  )

  it.live("is refused with variables by which a program would run code that is not its own", () =>
    Effect.gen(function* () {
      for (const name of [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "GCONV_PATH"
      ]) {
        const refused = yield* Effect.flip(run({ program: "echo", env: { [name]: "./evil.so" } }))
        expect(String(refused)).toContain(`${name} would make the program run code that is not its own`)
      }
      expect(String(yield* Effect.flip(run({ program: "echo", env: { A: "a".repeat(65_537) } })))).toContain(
        "65536"
      )
    })
  )

  it.live("is told what it said and how it ended", () =>
    Effect.gen(function* () {
      const { recording, task } = recordingTask()
      const output = yield* run({ script: "echo out; echo err >&2; exit 3" }, { task })
      expect(output).toMatchObject({
        exitCode: 3,
        stdout: "out\n",
        stderr: "err\n",
        truncated: false,
        files: []
      })
      expect(recording.chunks).toContainEqual({ stdout: "out\n" })
      expect(recording.chunks).toContainEqual({ stderr: "err\n" })
      expect(yield* script("kill -9 $$")).toMatchObject({ exitCode: null, signal: "SIGKILL" })
    })
  )

  it.live("fails where its code is not one that is expected", () =>
    Effect.gen(function* () {
      expect(
        yield* Effect.flip(script("echo no such page >&2; exit 3", { exitCodes: [0, 2] }))
      ).toMatchObject({
        _tag: "CommandFailed",
        message: expect.stringContaining("ended with 3: no such page")
      })
      expect(yield* script("exit 2", { exitCodes: [0, 2] })).toMatchObject({ exitCode: 2 })
    })
  )

  it.live("works in a fresh folder with the files it is given, and keeps those that it is to", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [given, read] = yield* Effect.gen(function* () {
        const { upload } = yield* Files
        const info = yield* upload(new Blob(["one\ntwo\n"]).stream(), { type: "text/plain" })
        const output = yield* run(
          {
            script:
              "wc -l < in/list.txt > count.txt; cat >> count.txt; mkdir out; echo x > out/a.csv; echo y > b.log",
            stdin: { text: "said\n" },
            files: [{ name: "in/list.txt", file: info.id }],
            collect: ["*.txt", "out/**"]
          },
          { files: folder }
        )
        const { read } = yield* Files
        const texts = yield* Effect.forEach(output.files, ({ id }) =>
          Effect.map(read(id), (bytes) => new TextDecoder().decode(bytes))
        )
        return [output, texts] as const
      }).pipe(Effect.provide(filesIn(folder)))
      expect(given.files.map(({ name }) => name)).toEqual(["count.txt", "out/a.csv"])
      expect(read).toEqual(["2\nsaid\n", "x\n"])
      expect((yield* script("ls -A | wc -l")).stdout.trim()).toBe("0")
    })
  )

  it.live("cannot have a file kept that is not its own", () =>
    Effect.gen(function* () {
      const { files } = yield* script(
        "ln -s /etc/passwd a.txt; ln -s /etc dir; mkfifo pipe.txt; ln /etc/hostname hard.txt 2>/dev/null; echo ok > ok.txt",
        { collect: ["**/*.txt", "dir/passwd", "dir/*"] }
      )
      expect(files.map(({ name }) => name)).toEqual(["ok.txt"])
    })
  )
})

describe("a command's limits", () => {
  it.live(
    "end one that takes too long, and all it has started",
    () =>
      Effect.gen(function* () {
        const mark = `86${Date.now() % 1_000_000}`
        // So many that the system takes a while to end them.
        const many = `setsid sleep ${mark} & `.repeat(30)
        const refused = yield* Effect.flip(
          script(`${many} sleep ${mark} & sleep ${mark}`, { timeoutMs: 300 })
        )
        expect(refused).toMatchObject({ name: "TimeLimit" })
        expect(yield* Effect.promise(() => runningWith(mark))).toEqual([])
      }),
    30_000
  )

  it.live("end one that puts out too much", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(script("yes", { outputBytes: 100_000 }))).toMatchObject({
        name: "OutputTooLarge"
      })
    })
  )

  it.live(
    "bound its memory, the size of its files, its computing time and its processes",
    () =>
      Effect.gen(function* () {
        const [memory, file, cpu, fork] = yield* Effect.all(
          [
            script("head -c 300000000 /dev/zero | tail | wc -c", { memoryMb: 64 }),
            script("head -c 300000 /dev/zero > big; ls -l big | cut -d' ' -f5", { fileBytes: 100_000 }),
            script("while :; do :; done", { cpuSeconds: 1, timeoutMs: 20_000 }),
            script("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all", { processes: 8 })
          ],
          { concurrency: 4 }
        )
        expect(memory.stdout.trim()).toBe("0")
        expect(memory.stderr).toContain("exhausted")
        expect(file.stdout.trim()).toBe("100000")
        expect(cpu.signal).toMatch(/^SIG(XCPU|KILL)$/)
        expect(fork.stdout).toBe("")
        expect(fork.stderr).toContain("ork")
      }),
    20_000
  )
})

describe("a command's end", () => {
  it.live("takes along what it has left behind", () =>
    Effect.gen(function* () {
      const mark = `87${Date.now() % 1_000_000}`
      const { exitCode } = yield* script(`setsid sleep ${mark} & sleep ${mark} & exit 0`)
      expect(exitCode).toBe(0)
      expect(yield* Effect.promise(() => runningWith(mark))).toEqual([])
    })
  )

  it.live(
    "comes with that of its run",
    () =>
      Effect.gen(function* () {
        const mark = `88${Date.now() % 1_000_000}`
        const begun = yield* Deferred.make<void>()
        const { task } = recordingTask(() => ({
          emit: () => Effect.asVoid(Deferred.succeed(begun, undefined))
        }))
        const running = yield* Effect.forkChild(
          run({ script: `sleep ${mark} & echo begun; sleep ${mark}` }, { task })
        )
        yield* Deferred.await(begun)
        yield* Effect.promise(() =>
          eventually("the command to sleep", async () => (await runningWith(mark)).at(0))
        )

        yield* Fiber.interrupt(running)

        // The system may take a moment for what it has been told to kill.
        yield* Effect.promise(() =>
          eventually("the command to be gone", async () =>
            (await runningWith(mark)).length === 0 ? true : undefined
          )
        )
      }),
    30_000
  )

  it.live(
    "comes with that of a worker that is killed",
    () =>
      Effect.gen(function* () {
        const mark = `89${Date.now() % 1_000_000}`
        const folder = yield* temporaryFolder
        const program = `${import.meta.dir}/program.ts`
        const worker = Bun.spawn([process.execPath, program, folder, mark], {
          stdout: "ignore",
          stderr: "inherit"
        })
        const sleeping = yield* Effect.promise(() =>
          eventually("the command to run", async () => (await runningWith(mark)).at(0))
        )

        worker.kill("SIGKILL")

        yield* Effect.promise(() =>
          eventually("the command to end", async () => (isAlive(sleeping) ? undefined : true))
        )
      }),
    30_000
  )
})

describe("where namespaces can be made, a command", () => {
  /** Says so, where they cannot. */
  const isolated = (
    body: (output: Output) => void,
    text: string,
    over: Readonly<Record<string, unknown>> = {}
  ) =>
    Effect.gen(function* () {
      const output = yield* script(text, over)
      if (output.isolation.namespaces) body(output)
      else console.warn("this machine makes no namespaces: nothing was checked")
    })

  it.live("has no network, not even this machine's", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* localServer(() => new Response("secret"))
      yield* isolated(
        ({ stdout }) => expect(stdout.trim()).toBe("lo"),
        `cat < /dev/tcp/127.0.0.1/${port}; curl -s http://127.0.0.1:${port}/; tail -n +3 /proc/net/dev | cut -d: -f1`
      )
      expect(seen).toEqual([])
    })
  )

  it.live("sees no other process, no other command's folder, and nothing that the worker keeps", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      yield* Effect.promise(() => fs.chmod(files, 0o755))
      yield* Effect.promise(() => fs.writeFile(`${files}/secret`, "secret", { mode: 0o644 }))
      const other = yield* Effect.forkChild(run({ script: "echo mine > mine; sleep 5" }, { files }))
      const output = yield* run(
        {
          script: `ls /proc | grep -c '^[0-9]'; ls $(dirname "$PWD"); cat ${files}/secret; ls ${files}; id -u; mount -t tmpfs none /mnt`
        },
        { files }
      )
      yield* Fiber.interrupt(other)
      if (!output.isolation.namespaces) return
      const [processes, folders, ...rest] = output.stdout.trim().split("\n")
      expect(Number(processes)).toBeLessThan(8)
      expect(folders).toMatch(/^run-/)
      expect(rest).toEqual(["0"])
      expect(output.stderr).toMatch(/secret.*No such file/)
      expect(output.stderr).toMatch(/mount.*denied|permitted/)
    })
  )
})

describe("an input", () => {
  const refused = (input: unknown) => {
    const checked = shellRun.readInput(input)
    return checked instanceof Promise || Result.isSuccess(checked) ? undefined : checked.failure.faults[0]
  }

  it.live("that leaves its folder, or is no command, is refused before it is taken in", () =>
    Effect.sync(() => {
      for (const input of [
        {},
        { program: "a", script: "b" },
        { script: "b", args: ["c"] },
        { program: "a", args: ["\0"] },
        { program: "a", files: [{ name: "../b", file: "x" }] },
        { program: "a", files: [{ name: "/b", file: "x" }] },
        { program: "a", files: [{ name: ".profile", file: "x" }] },
        { program: "a", files: ["a/b/c", "a/b"].map((name) => ({ name, file: "x" })) },
        { program: "a", collect: ["../*"] },
        { program: "a", collect: ["/etc/*"] },
        { program: "a", env: { "A=B": "c" } },
        { program: "a", memoryMb: 1 },
        { program: "a", stdin: {} },
        { program: "a", stdin: { text: "b", file: "c" } }
      ]) {
        expect(refused(input), JSON.stringify(input)).toBeDefined()
      }
      expect(refused({ program: "a", args: ["b"], collect: ["out/**"] })).toBeUndefined()
      expect(
        refused({ program: "a", files: ["a/b", "a/c", "ab"].map((name) => ({ name, file: "x" })) })
      ).toBeUndefined()
    })
  )
})

/** The processes of this machine whose command line has a word, by what they are called there. */
const runningWith = async (word: string): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  for (const name of await fs.readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const line = await fs.readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")
    const [program, argument] = line.split("\0")
    if (program === "sleep" && argument === word) found.push(Number(name))
  }
  return found
}
