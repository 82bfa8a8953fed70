/** The command line, whatever the command: what it does not understand, a Redis that it cannot use, and when it is told to stop. */
import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { programIn } from "../support/program.ts"
import { aNamespace } from "../support/redis.ts"
import { aServer } from "../support/server.ts"

const { installed, troupe } = programIn(aNamespace())

/** Each waits for its turn to start, so its time is as long as that of all. */
const does = (sentence: string, body: () => Promise<void>) => test.concurrent(sentence, body, 120_000)

const absent = "default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE"

describe("the program troupe", () => {
  describe("the command line", () => {
    does("says in a line what it does not understand", async () => {
      const misspelt = { TROUPE_PROT: "80" }
      const runs = await Promise.all([
        troupe(["submti"]),
        troupe(["submit", "shop.add", "--iput", "1"]),
        troupe(["submit", "shop.add", "--wait-ms=-5"]),
        troupe(["tail", absent, "--after", "7"]),
        troupe(["result", absent, "--wait", "soon"]),
        troupe(["submit", "shop.add", "--input", "1", "-"]),
        troupe(["submit", "shop.add", "--input-file", "nowhere.json"]),
        troupe(["submit", "shop.add"], { env: misspelt })
      ])

      const complaints: ReadonlyArray<string> = [
        `Unknown subcommand "submti" for "troupe"; did you mean submit?\nsee troupe --help`,
        "Unrecognized flag: --iput in command troupe submit; did you mean --input?\nsee troupe submit --help",
        `Invalid value for flag --wait-ms: "-5". Expected: a whole number from 0\nsee troupe submit --help`,
        `Invalid value for flag --after: "7". Expected: the id of an event, such as 1-17\nsee troupe tail --help`,
        `Invalid value for flag --wait: "soon". Expected: a duration such as 10s or 5m\nsee troupe result --help`,
        "give one of --input, --input-file and -\nsee troupe submit --help",
        "there is no file nowhere.json\nsee troupe submit --help",
        "TROUPE_PROT: there is no such setting; did you mean TROUPE_PORT?"
      ]
      expect(runs.map(({ stderr }) => stderr)).toEqual(
        complaints.map((complaint) => `troupe: ${complaint}\n`)
      )
      expect(runs.map(({ code, stdout }) => ({ code, stdout }))).toEqual(
        runs.map(() => ({ code: 2, stdout: "" }))
      )
    })

    does(
      "exits with 2 for an address that is none, wherever it was said, and looks for no Redis",
      async () => {
        const runs = await Promise.all([
          troupe(["status", absent], { env: { REDIS_URL: "localhost" } }),
          troupe(["status", absent, "--redis", "redis://h:99999"]),
          installed(["api"], { env: { REDIS_URL: "redis+sentinel://a" } })
        ])

        expect(runs).toEqual([
          {
            code: 2,
            stdout: "",
            stderr: "troupe: REDIS_URL: it is not a URL such as redis://127.0.0.1:6379\n"
          },
          {
            code: 2,
            stdout: "",
            stderr: "troupe: REDIS_URL cannot be used: it is not a URL such as redis://127.0.0.1:6379\n"
          },
          {
            code: 2,
            stdout: "",
            stderr:
              "troupe: REDIS_URL: it wants the name of the primary, as in redis+sentinel://host:26379,other:26379/mymaster\n"
          }
        ])
      }
    )

    does("says in one line that a value begins like a flag", async () => {
      expect(await troupe(["submit", "shop.add", "--delay", "-5s"])).toEqual({
        code: 2,
        stdout: "",
        stderr:
          "troupe: Missing value for flag --delay. Expected: 10s; a value that begins with - is written --flag=-value\nsee troupe submit --help\n"
      })
    })

    does("shows help with an example, without colours where there is no terminal", async () => {
      const { code, stderr, stdout } = await installed(["submit", "--help"])

      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toContain(
        "EXAMPLES\n  # Find the keywords of a text\n  troupe submit text.keywords --input"
      )
      expect(stdout).not.toContain("\u001b")
    })
  })

  describe("without a Redis to be used, the command line exits with 5 and says what to do", () => {
    const complaints = async (url: string) => {
      const { code, stderr, stdout } = await troupe(["status", absent], { env: { REDIS_URL: url } })
      expect({ code, stdout }).toEqual({ code: 5, stdout: "" })
      return stderr
    }

    const withServer = (options: ReadonlyArray<string>) =>
      Effect.runPromise(
        Effect.scoped(Effect.flatMap(aServer(...options), ({ url }) => Effect.promise(() => complaints(url))))
      )

    does("when nobody answers", async () => {
      expect(await complaints("redis://127.0.0.1:1")).toMatch(
        /^troupe: no Redis answers at 127\.0\.0\.1:1: .*ECONNREFUSED/
      )
    })

    does("when it asks for a password", async () => {
      expect(await withServer(["--requirepass", "secret"])).toMatch(
        /^troupe: Redis at .* refuses the user or password/
      )
    })

    does("when it may evict", async () => {
      expect(await withServer(["--maxmemory-policy", "allkeys-lru"])).toMatch(
        /maxmemory-policy is allkeys-lru; set it with/
      )
    })

    does("when it is too old", async () => {
      using old = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          data(socket, bytes) {
            const info = "# Server\r\nredis_version:6.2.14\r\nloading:0\r\n"
            // Several commands may come in one piece; each gets its answer.
            const commands = new TextDecoder()
              .decode(bytes)
              .split(/^\*\d+\r$/m)
              .slice(1)
            for (const command of commands) {
              socket.write(/^info\r$/im.test(command) ? `$${info.length}\r\n${info}\r\n` : "+OK\r\n")
            }
          }
        }
      })

      expect(await complaints(`redis://127.0.0.1:${old.port}`)).toMatch(
        /is too old: it is 6\.2\.14; use 7\.0 or newer/
      )
    })
  })

  describe("a program that is told to stop", () => {
    does("drains at the first signal, and exits with 0 if it serves", async () => {
      expect(await troupe(["hold", "a while"], { signals: ["SIGTERM"] })).toEqual({
        code: 0,
        stdout: "running\nfinished\n",
        stderr: ""
      })
    })

    does("waits no longer at the second one", async () => {
      expect(await troupe(["hold", "for ever"], { signals: ["SIGINT", "SIGINT"] })).toEqual({
        code: 0,
        stdout: "running\ninterrupted\n",
        stderr: ""
      })
    })

    does(
      "takes a second one that comes at once for the first, as npm hands on a Ctrl-C that all have heard",
      async () => {
        const signals = ["SIGINT", "SIGINT"] as const
        expect(await troupe(["hold", "a while"], { signals, betweenMs: 50 })).toEqual({
          code: 0,
          stdout: "running\nfinished\n",
          stderr: ""
        })
      }
    )

    does("ends even if it cannot stop", async () => {
      expect(await troupe(["stick"], { signals: ["SIGTERM"] })).toEqual({
        code: 70,
        stdout: "running\n",
        stderr: "troupe: it did not stop within 5s; what it still ran is handed on\n"
      })
    })
  })
})
