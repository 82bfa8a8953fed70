/**
 * What the pipeline is measured against: the same libraries in a plain loop, one document after the other, on one core.
 *
 *     bun bench/pipeline/loop.ts CORPUS WARM FILES MODEL
 *
 * It reads, cuts, finds keywords, keeps, embeds and writes vectors with the functions that the handlers use, and has no
 * queue, no record, no retry and no progress: what it loses is lost. It prints what it took.
 */
import { Effect, Layer } from "effect"
import { readFile } from "node:fs/promises"
import * as path from "node:path"
import { extractDocx } from "../../handlers/document-process/docx.ts"
import { extractHtml } from "../../handlers/document-process/html.ts"
import { mediaTypes, recognise, type Recognised } from "../../handlers/document-process/kind.ts"
import { merge } from "../../handlers/document-process/pages.ts"
import { extractPdf } from "../../handlers/document-process/pdf.ts"
import { extractMarkdown, extractText } from "../../handlers/document-process/plain.ts"
import { cut } from "../../handlers/document-process/reading.ts"
import { planOf } from "../../handlers/documents/options.ts"
import { walk } from "../../handlers/documents-folder/walk.ts"
import { Embeddings } from "../../handlers/embedding/embeddings.ts"
import { modelNamed } from "../../handlers/embedding/input.ts"
import { stopWordsOf } from "../../handlers/text-keywords/stop-words.ts"
import { yake } from "../../handlers/text-keywords/yake.ts"
import { documentId, Documents } from "../../handlers/text/documents.ts"
import { languageOf } from "../../handlers/text/language.ts"
import { layer as vectors } from "../../handlers/vectors/choice.ts"
import { VectorStore } from "../../handlers/vectors/store.ts"
import { writeAll } from "../../handlers/vectors/write.ts"
import { Settings } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import type { Took } from "./measured.ts"

const [corpus = "", warm = "", files = "", model] = process.argv.slice(2)

const plan = planOf({})

const extract = Effect.fnUntraced(function* (recognised: Recognised) {
  switch (recognised.kind) {
    case "pdf":
      return yield* extractPdf(recognised.bytes, () => Effect.void)
    case "docx":
      return yield* extractDocx(recognised.bytes)
    case "html":
      return yield* extractHtml(recognised.text)
    case "markdown":
      return extractMarkdown(recognised.text)
    case "text":
      return extractText(recognised.text)
  }
})

const processOne = Effect.fnUntraced(function* (folder: string, name: string) {
  const documents = yield* Documents
  const embeddings = yield* Embeddings
  const store = yield* VectorStore
  const bytes = new Uint8Array(yield* Effect.promise(() => readFile(path.join(folder, name))))
  const recognised = yield* recognise({ bytes, name })
  const { language: declared, metadata = {}, pages, title = name } = yield* extract(recognised)
  const { pageStarts, text } = merge(pages)
  const language = declared ?? (yield* languageOf(text)) ?? "en"
  const chunks = yield* cut(text, pageStarts, plan)
  const stopWords = yield* stopWordsOf(language)
  const found = yake(text.slice(0, 500_000), { stopWords, top: 12, words: 3, similarity: 0.9 })
  const id = documentId(bytes)
  const keywords = found.map(({ keyword }) => keyword)
  const type = mediaTypes[recognised.kind]
  yield* documents.save({ id, title, type, language, metadata, keywords, text, pageStarts, chunks })
  const chosen = yield* embeddings.model(modelNamed(model))
  const texts = chunks.map(({ end, start }) => text.slice(start, end))
  const embedded = yield* embeddings.embed(chosen, texts, () => Effect.void)
  const collection = yield* store.open({
    ...{ name: "bench", dimensions: embedded.vectors[0]!.length, model: chosen.name }
  })
  const items = chunks.map(({ index, page }, at) => ({
    id: `${id}#${index}`,
    vector: embedded.vectors[at]!,
    metadata: { document: id, chunk: index, page, title, type, language }
  }))
  yield* writeAll(store, collection, items, () => Effect.void)
  return chunks.length
})

const processAll = Effect.fnUntraced(function* (folder: string) {
  let chunks = 0
  const { files } = yield* walk(folder, () => true, 10_000)
  for (const name of files) chunks += yield* processOne(folder, name)
  return chunks
})

const settings = Settings.layer({ files }, {})
const layer = Layer.mergeAll(
  Documents.layer.pipe(Layer.provide(Files.layer)),
  Embeddings.layer,
  vectors
).pipe(Layer.provide(settings))

const took = Effect.gen(function* () {
  yield* processAll(warm)
  const cpu = process.cpuUsage()
  const start = performance.now()
  const chunks = yield* processAll(corpus)
  const seconds = (performance.now() - start) / 1_000
  const { system, user } = process.cpuUsage(cpu)
  return { seconds, cpuMicros: user + system, chunks } satisfies Took
})

console.log(JSON.stringify(await Effect.runPromise(Effect.provide(took, layer))))
