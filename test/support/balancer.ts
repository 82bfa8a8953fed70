/** nginx and HAProxy, where they are installed, with the configurations of `deploy/`: in front of servers of a test. */
import { Effect } from "effect"
import { connect } from "node:net"
import * as path from "node:path"
import { aFreePort } from "./address.ts"
import { temporaryFolder } from "./folder.ts"
import { eventually } from "./waiting.ts"

const deploy = path.resolve(import.meta.dir, "../../deploy")

/** Many systems keep them where only root looks. */
const find = (program: string) =>
  Bun.which(program, { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` })

interface Balancer {
  readonly name: string
  /** Where it is, or null. */
  readonly program: string | null
  /**
   * Whether it asks servers if they are ready. One that does not loses what it sends just when a server closes: it asks another one
   * where that cannot do a thing twice, and else says 502.
   */
  readonly looks: boolean
  /** Of the sample, which is for the port 443 and for servers at 4001 and 4002, what it takes to run it in a folder. */
  readonly written: (sample: string, folder: string) => string
  readonly sample: string
  readonly flags: (config: string, folder: string) => ReadonlyArray<string>
}

export const balancers: ReadonlyArray<Balancer> = [
  {
    name: "nginx",
    program: find("nginx"),
    looks: false,
    sample: "nginx/troupe.conf",
    written: (sample, folder) => {
      const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      const folders = kept.map((what) => `${what}_temp_path ${folder}/${what};`).join("\n")
      const plain = sample.replace(/ssl_certificate.*\n/g, "").replace(" ssl http2", "")
      // Whoever compresses holds back what is to be compressed.
      const gzip = "gzip on; gzip_types *; gzip_proxied any;"
      return `daemon off; master_process off; pid ${folder}/pid; events {}
        http { access_log off; ${folders} ${gzip} ${plain} }`
    },
    flags: (config, folder) => ["-p", folder, "-e", `${folder}/log`, "-c", config]
  },
  {
    name: "HAProxy",
    program: find("haproxy"),
    looks: true,
    sample: "haproxy/haproxy.cfg",
    // What it sees in four seconds a test sees in a tenth of one.
    written: (sample) => sample.replace(/ssl crt .*/, "").replace("inter 2s", "inter 50ms"),
    flags: (config) => ["-db", "-f", config]
  }
]

const isHeard = (port: number) =>
  new Promise<true | undefined>((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => resolve(true)).on("error", () => resolve(undefined))
    socket.on("connect", () => socket.destroy())
  })

/** Starts one in front of servers at two ports, until the scope closes, and says where it listens. */
export const start = Effect.fnUntraced(function* (
  { flags, program, sample, written }: Balancer,
  ports: readonly [number, number]
) {
  const folder = yield* temporaryFolder
  const port = aFreePort()
  const config = path.join(folder, "config")
  const text = yield* Effect.promise(() => Bun.file(path.join(deploy, sample)).text())
  const moved = text
    .replace("listen 443", `listen 127.0.0.1:${port}`)
    .replace("bind :443", `bind 127.0.0.1:${port}`)
    .replace("127.0.0.1:4001", `127.0.0.1:${ports[0]}`)
    .replace("127.0.0.1:4002", `127.0.0.1:${ports[1]}`)
  yield* Effect.promise(() => Bun.write(config, written(moved, folder)))
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.spawn([program!, ...flags(config, folder)], { stdin: "ignore", stdout: "ignore", stderr: "pipe" })
    ),
    (child) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return child.exited
      })
  )
  yield* Effect.promise(() =>
    eventually("the balancer", async () => {
      if (child.exitCode !== null) throw new Error(await new Response(child.stderr).text())
      return isHeard(port)
    })
  )
  return { port, url: `http://127.0.0.1:${port}` }
})
