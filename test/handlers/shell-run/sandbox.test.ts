import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { limitsOf } from "../../../handlers/shell-run/input.ts"
import { probe } from "../../../handlers/shell-run/probe.ts"
import { commandLine, endingOf, maskable, type Tools } from "../../../handlers/shell-run/sandbox.ts"

const tools: Tools = {
  sh: "/bin/sh",
  prlimit: "/usr/bin/prlimit",
  setpriv: "/usr/bin/setpriv",
  unshare: "/usr/bin/unshare",
  namespaces: true,
  asNobody: true
}
const place = { base: "/tmp/b", folder: "/tmp/b/work/run-1", masked: ["/srv/files"] }
const line = (over: Partial<Tools>) =>
  commandLine({ ...tools, ...over }, ["/bin/echo", "a b"], place, limitsOf({ program: "echo" })).join(" ")

describe("a command line", () => {
  test("enters namespaces, covers up what is not the command's, and ends in the command as it is", () => {
    const words = commandLine(tools, ["/bin/echo", "a b"], place, limitsOf({ program: "echo" }))
    expect(words.slice(-2)).toEqual(["/bin/echo", "a b"])
    expect(words).toContain("--pdeathsig=KILL")
    expect(words).toContain("--net")
    expect(words).toContain("/srv/files")
    expect(words).toContain("--reuid=65534")
    expect(words).toContain("--nproc=65")
  })

  test("keeps its limits and its user where no namespaces can be made", () => {
    expect(line({ namespaces: false })).toMatch(
      /^\/usr\/bin\/setpriv --pdeathsig=KILL --no-new-privs --reuid=65534 .*prlimit .*--nproc=64 -- \/bin\/echo a b$/
    )
    expect(line({ namespaces: false, asNobody: false })).not.toContain("--reuid")
  })

  test("has the shell's limits where there is nothing else", () => {
    const words = line({ namespaces: false, asNobody: false, setpriv: undefined, prlimit: undefined })
    expect(words).toStartWith("/bin/sh -c ulimit -c 0")
    expect(words).toContain("ulimit -t 60")
    expect(words).toEndWith("sh /bin/echo a b")
  })
})

describe("where no namespaces can be made, a command", () => {
  const said = async (over: Partial<Tools>) => {
    const asked = ["/bin/sh", "-c", "ulimit -t; ulimit -f; ulimit -n; ulimit -c"]
    const limits = limitsOf({ program: "sh", cpuSeconds: 7, fileBytes: 51_200 })
    const here = { ...(await Effect.runPromise(probe)), namespaces: false, asNobody: false, ...over }
    const child = Bun.spawn([...commandLine(here, asked, place, limits)], { stdout: "pipe", stderr: "pipe" })
    return (await new Response(child.stdout).text()).trim().split("\n")
  }

  test("has its limits all the same, from the system or from the shell", async () => {
    expect(await said({})).toEqual(["7", "100", "256", "0"])
    expect(await said({ prlimit: undefined })).toEqual(["7", "100", "256", "0"])
    expect(await said({ prlimit: undefined, setpriv: undefined })).toEqual(["7", "100", "256", "0"])
  })
})

describe("what is covered up", () => {
  test("is nothing that the command needs, and nothing that is covered already", () => {
    expect(
      maskable(
        ["/srv/app", "/srv/app/.troupe", "/home/a", "/", "/usr", "/tmp", "/opt/x"],
        ["/opt/x/bin/tool", "/tmp/b"]
      )
    ).toEqual(["/srv/app", "/home/a"])
  })
})

describe("an ending", () => {
  test("is a code or a signal, which a shell tells as a code above 128", () => {
    expect(endingOf({ code: 3, signal: null }, true)).toEqual({ exitCode: 3 })
    expect(endingOf({ code: 137, signal: null }, true)).toEqual({ exitCode: null, signal: "SIGKILL" })
    expect(endingOf({ code: 137, signal: null }, false)).toEqual({ exitCode: 137 })
    expect(endingOf({ code: null, signal: "SIGXFSZ" }, false)).toEqual({ exitCode: null, signal: "SIGXFSZ" })
    expect(endingOf({ code: 255, signal: null }, true)).toEqual({ exitCode: 255 })
  })
})
