/** The files of a new project: one handler that runs, its test, and what a project needs around it. Plain values. */

export interface ProjectOptions {
  /** Its folder's name. */
  readonly folder: string
  /** What its `package.json` says it depends on, as in `^0.1.0` or `file:../troupe`. */
  readonly troupe: string
}

/** Versions that the template is tried with. */
const versions = { zod: "4.6.7", "@types/bun": "1.4.4", typescript: "7.0.2" } as const

/** What a `package.json` says of a dependency, so that it means the same in another folder: the path of a file is made whole. */
export const fromElsewhere = (said: string, resolve: (file: string) => string): string => {
  const file = /^file:(.+)$/.exec(said)?.[1] ?? /^\.{0,2}\/.*$/.exec(said)?.[0]
  return file === undefined ? said : `file:${resolve(file)}`
}

/** What npm takes for a name. */
const packageName = (folder: string): string =>
  folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[._-]+|[._-]+$/g, "") || "project"

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

const handler = `/** Greets somebody, a word at a time. Safe to run twice: it writes nothing anywhere else. */
import { defineTask } from "troupe"
import { z } from "zod"

export const greet = defineTask({
  name: "demo.greet",
  input: z.object({ name: z.string().min(1) }),
  output: z.object({ greeting: z.string() }),
  timeout: "1 minute",
  retry: { attempts: 3 },
  async run({ name }, ctx) {
    const greeting = \`Hello, \${name}!\`
    for (const word of greeting.split(" ")) await ctx.emit(\`\${word} \`)
    return { greeting }
  }
})
`

const test = `import { expect, test } from "bun:test"
import { testTroupe } from "troupe/testing"
import { greet } from "../handlers/greet.ts"

test("somebody is greeted by name, a minute from now", async () => {
  await using troupe = await testTroupe({ handlers: [greet] })

  const task = await troupe.submit(greet, { name: "Ada" }, { delay: "1 minute" })
  expect(await task.state()).toBe("scheduled")
  await troupe.advance("1 minute")

  expect(await task.result()).toEqual({ greeting: "Hello, Ada!" })
})

test("nobody is greeted without a name", async () => {
  await using troupe = await testTroupe({ handlers: [greet] })

  expect(troupe.submit(greet, { name: "" })).rejects.toMatchObject({ _tag: "SubmitRefused" })
})
`

const readme = (name: string) => `# ${name}

A Troupe project with one handler, \`handlers/greet.ts\`.

    bun install
    bun test         # a whole system in a test, with a clock that stands still
    bun run start    # workers, the API and a private Redis, until Ctrl-C

In another terminal:

    bun run troupe submit demo.greet --input '{"name": "Ada"}' --wait
    bun run troupe tail     # what happens to all tasks
    bun run troupe doctor   # what is wrong, and what mends it

\`bun run troupe\` looks for handlers in \`handlers/\`. Every module there is loaded; a new one is there with the next start.
`

/** All files by their paths. */
export const projectFiles = ({ folder, troupe }: ProjectOptions): Readonly<Record<string, string>> => {
  const name = packageName(folder)
  const { typescript, zod, ...rest } = versions
  return {
    "package.json": json({
      name,
      private: true,
      type: "module",
      scripts: {
        start: "TROUPE_HANDLERS=handlers troupe up --no-sample",
        test: "bun test",
        troupe: "TROUPE_HANDLERS=handlers troupe",
        types: "tsc --noEmit"
      },
      dependencies: { troupe, zod },
      devDependencies: { ...rest, typescript }
    }),
    "tsconfig.json": json({
      compilerOptions: {
        target: "ESNext",
        lib: ["ESNext"],
        module: "Preserve",
        moduleResolution: "Bundler",
        types: ["bun"],
        strict: true,
        noUncheckedIndexedAccess: true,
        allowImportingTsExtensions: true,
        verbatimModuleSyntax: true,
        noEmit: true,
        skipLibCheck: true
      },
      include: ["handlers", "test"]
    }),
    "handlers/greet.ts": handler,
    "test/greet.test.ts": test,
    "README.md": readme(name),
    ".gitignore": "node_modules/\n.troupe/\n.env\n"
  }
}
