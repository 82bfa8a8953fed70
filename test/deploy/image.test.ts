/** What the Dockerfile puts into the image is enough for the program to run; no Docker is needed to see that. */
import { expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const root = path.resolve(import.meta.dir, "../..")

/** What is copied from the project's folder, and where to: the last stage's `COPY` without `--from`. */
const copies = readFileSync(path.join(root, "deploy/Dockerfile"), "utf8")
  .split(/^FROM /m)
  .at(-1)!
  .split("\n")
  .flatMap((line) => {
    const [, said] = /^COPY (?!--from)(.+)$/.exec(line) ?? []
    if (said === undefined) return []
    const words = said.split(" ")
    return words.slice(0, -1).map((from) => ({ from, to: words.at(-1)! === "./" ? from : words.at(-1)! }))
  })

test("the program and all its commands run on what is copied into the image", () => {
  expect(copies.length).toBeGreaterThan(4)
  const image = mkdtempSync(path.join(tmpdir(), "troupe-image-"))
  try {
    for (const { from, to } of copies) {
      cpSync(path.join(root, from), path.join(image, to), { recursive: true })
    }
    symlinkSync(path.join(root, "node_modules"), path.join(image, "node_modules"))
    // Help for no command in particular loads all of them.
    const { exitCode, stderr, stdout } = Bun.spawnSync([process.execPath, "api/main.ts", "--help"], {
      cwd: image,
      env: { PATH: process.env["PATH"]!, HOME: image, NO_COLOR: "1" }
    })
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" })
    for (const command of ["up", "worker", "api", "submit", "doctor"]) {
      expect(stdout.toString()).toContain(command)
    }
  } finally {
    rmSync(image, { recursive: true, force: true })
  }
}, 30_000)
