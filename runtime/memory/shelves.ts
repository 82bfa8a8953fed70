/** Reads the shelves of a partition in memory for `walk`. */
import { Effect } from "effect"
import { segmentOf, ulidLength } from "../task.ts"
import type { Reader } from "../walk.ts"
import type { Heap } from "./heap.ts"
import { byScore } from "./scores.ts"

const newestFirst = (ids: Iterable<string>) => [...ids].sort().reverse()

const isBelow = (id: string, below: string | undefined) => below === undefined || id < below

export const readerOf = (heap: Heap): Reader => {
  const list = (name: keyof Heap["lanes"] | "suspects") =>
    name === "suspects" ? heap.suspects : heap.lanes[name]
  const box = (name: string) => heap.box.get(name) ?? []
  return {
    list: (name, from, to) => Effect.sync(() => list(name).slice(from, to)),
    boxes: () => Effect.sync(() => ({ members: [...heap.boxes.keys()], next: "0" })),
    box: (name, from, to) => Effect.sync(() => box(name).slice(from, to)),
    heads: (names, count) => Effect.sync(() => names.map((name) => box(name).slice(0, count))),
    parents: () => Effect.sync(() => ({ members: [...heap.waiting.keys()], next: "0" })),
    scored: (name, from, skip, count) =>
      Effect.sync(() => {
        const sorted = name === "later" ? byScore(heap.later) : byScore(heap.dead).reverse()
        return sorted
          .filter(([, score]) => from === undefined || (name === "later" ? score >= from : score <= from))
          .slice(skip, skip + count)
      }),
    workers: Effect.sync(() => [...heap.workers.keys()]),
    held: (worker) => Effect.sync(() => [...(heap.held.get(worker) ?? [])]),
    segments: (below, count) =>
      Effect.sync(() =>
        newestFirst(heap.segments)
          .filter((segment) =>
            below === undefined || below.length < ulidLength
              ? isBelow(segment, below)
              : segment <= segmentOf(below)
          )
          .slice(0, count)
      ),
    idsIn: (segments, enough) =>
      Effect.sync(() => {
        const ids: Array<string> = []
        let read = 0
        for (; read < segments.length && ids.length < enough; read++) {
          ids.push(...(heap.tasks.get(segments[read]!)?.keys() ?? []))
        }
        return { ids, read }
      }),
    letters: (from, below, count) =>
      Effect.sync(() =>
        newestFirst(heap.letters.keys())
          .filter((id) => id >= from && isBelow(id, below))
          .slice(0, count)
      )
  }
}
