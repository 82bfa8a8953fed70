/**
 * The pipeline under fire: a folder of real documents is processed, indexed and asked about, by real processes of which each
 * kind is killed in the middle.
 *
 *     TROUPE_TEST_DOCUMENTS=200 bun test test/crash/pipeline.test.ts       more documents than in `npm test`
 */
import { expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { makeCorpus } from "../../scripts/corpus.ts"
import { hear } from "../support/hearing.ts"
import { makePdf } from "../support/pdf.ts"
import { eventually, isAlive, startNode } from "../support/node.ts"
import { redisUrl } from "../support/redis.ts"

const count = Number(process.env["TROUPE_TEST_DOCUMENTS"] ?? 40)

const troupe = path.resolve(import.meta.dir, "../../api/main.ts")

interface Report {
  readonly path: string
  readonly state: string
  readonly type?: string
  readonly document?: string
  readonly chunks?: number
}

type Node = Awaited<ReturnType<typeof startNode>>

const jsonOf = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Record<string, never>

/** What is kept of documents, by their ids. */
const keptIn = (files: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path.join(files, "objects/documents")).map((name) => name.replace(".json", ""))
  } catch {
    return []
  }
}

/** What a task gave, however long it takes. */
const resultOf = async (node: Node, id: string): Promise<Record<string, never>> => {
  for (;;) {
    const { body, status } = await node.result(id)
    if (status === 200) return body as Record<string, never>
    if (status !== 202) throw new Error(`${id}: ${status} ${JSON.stringify(body)}`)
  }
}

const ask = async (node: Node, name: string, input: unknown) => {
  const { body } = await node.json("/tasks", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, input })
  })
  return resultOf(node, String(body["id"]))
}

/** All tasks of a name. */
const tasksOf = async (node: Node, name: string) => {
  const all: Array<{ readonly id: string; readonly state: string }> = []
  let cursor: string | undefined
  do {
    const { body } = await node.json(
      `/tasks?name=${name}&limit=1000${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`
    )
    all.push(...(body["tasks"] as typeof all))
    cursor = body["next"] as string | undefined
  } while (cursor !== undefined)
  return all
}

/** Whether a task has read its document, and whether it did so again once that was remembered. */
const readingOf = async (node: Node, id: string) => {
  const events = await (await fetch(`${node.url}/v1/tasks/${id}/events`)).text()
  const remembered = events.indexOf('"name":"read"')
  return {
    read: remembered !== -1,
    again: remembered !== -1 && events.includes('"message":"page 1: ', remembered)
  }
}

test(`a folder of ${count} documents is processed once each and answers questions, whatever is killed`, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "troupe-pipeline-"))
  const corpus = path.join(folder, "corpus")
  const files = path.join(folder, "files")
  const made = await makeCorpus(corpus, count)
  await writeFile(path.join(corpus, "broken.pdf"), "no pdf")
  await writeFile(path.join(corpus, "locked.pdf"), await makePdf([[["Secret."]]], { password: "open" }))
  const env = { TROUPE_FOLDERS: corpus, TROUPE_FILES: files, TROUPE_LEASE: "3 seconds" }
  // No model, so that the test does not load one.
  const input = { path: corpus, index: { collection: "corpus", model: "hash" } }

  await using node = await startNode({ workers: 2, env })
  const submitter = Bun.spawn(
    [
      process.execPath,
      troupe,
      "submit",
      "documents.folder",
      "--input",
      JSON.stringify(input),
      "--wait",
      "--json"
    ],
    {
      env: { PATH: process.env["PATH"]!, REDIS_URL: redisUrl, TROUPE_NAMESPACE: node.namespace, ...env },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" }
    }
  )
  const { said } = hear(submitter.stderr)
  const id = await eventually("the id", () => /documents\.\S+/.exec(said())?.[0])
  // However long it takes: the test's own time bounds it.
  const processed = async (part: number) => {
    while (keptIn(files).length < made.length * part) await Bun.sleep(10)
  }

  await processed(0.2)
  const [worker] = node.workers()
  process.kill(worker!, "SIGKILL")
  await processed(0.4)
  process.kill(node.api()[0]!, "SIGKILL")
  submitter.kill("SIGKILL")
  await processed(0.6)
  expect((await node.task(id).catch(() => ({ state: "waiting" })))["state"]).not.toBe("succeeded")
  const pids = [node.child.pid, ...node.workers(), ...node.api()]
  node.kill()
  await eventually("the node to be dead", () => (pids.some(isAlive) ? undefined : true))

  await using successor = await startNode({ workers: 2, beside: node, env })
  const output = await resultOf(successor, id)

  // Each file once, as what it is.
  const results = output["results"] as unknown as ReadonlyArray<Report>
  const refused = results.filter(({ state }) => state !== "processed")
  expect(refused.map(({ path, state, type }) => ({ path, state, type }))).toEqual([
    { path: "broken.pdf", state: "refused", type: "DamagedDocument" },
    { path: "locked.pdf", state: "refused", type: "EncryptedDocument" }
  ])
  const expected = made.map((name) => ({
    name,
    document: createHash("sha256")
      .update(readFileSync(path.join(corpus, name)))
      .digest("hex")
      .slice(0, 32)
  }))
  expect(
    results.flatMap(({ document, path }) => (document === undefined ? [] : [{ name: path, document }]))
  ).toEqual(expected)
  expect(keptIn(files).toSorted()).toEqual(expected.map(({ document }) => document).toSorted())
  expect((await tasksOf(successor, "document.process")).length).toBe(made.length + 2)
  expect(await tasksOf(successor, "documents.folder")).toMatchObject([{ state: "succeeded" }])

  // What had been read, whoever was killed afterwards, was not read again.
  const readings = await Promise.all(
    (await tasksOf(successor, "document.process")).map(({ id }) => readingOf(successor, id))
  )
  // Who was killed once it had remembered, and before it said so, says so no more.
  expect(readings.filter(({ read }) => read).length).toBeGreaterThan(made.length / 2)
  expect(readings.filter(({ again }) => again).length).toBe(0)

  // Each chunk has its vector, once.
  for (const { chunks, document } of results.filter(({ state }) => state === "processed").slice(0, 10)) {
    const found = await ask(successor, "vectors.search", {
      ...{ collection: "corpus", text: "license", top: 200, filter: { document } }
    })
    expect((found["matches"] as unknown as ReadonlyArray<unknown>).length).toBe(chunks!)
  }

  // A question about one of them, in its own words, is answered from it.
  const subject = expected.find(({ name }) => name.startsWith("md/"))!.document
  const { keywords, title } = jsonOf(path.join(files, "objects/documents", `${subject}.json`)) as unknown as {
    readonly keywords: ReadonlyArray<string>
    readonly title: string
  }
  const answer = await ask(successor, "agent.query", {
    question: `What does "${title}" say of ${keywords.slice(0, 4).join(", ")}?`
  })
  const citations = answer["citations"] as unknown as ReadonlyArray<{ readonly document: string }>
  expect(citations.length).toBeGreaterThan(0)
  expect(citations.map(({ document }) => document)).toContain(subject)
  rmSync(folder, { recursive: true, force: true })
}, 600_000)
