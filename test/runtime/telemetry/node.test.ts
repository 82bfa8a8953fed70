/** What operators see of a real node: its traces, its log lines, and the metrics of all its processes in one place. */
import { describe, expect, test } from "bun:test"
import { aCollector, type ExportedSpan } from "../../support/collector.ts"
import { readExposition, valueOf } from "../../support/exposition.ts"
import { eventually, startNode } from "../../support/node.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const caller = "b7ad6b7169203331"

const named = (spans: ReadonlyArray<ExportedSpan>, name: string) => spans.filter((span) => span.name === name)

/** How many spans of each name the trace has at its end. */
const spansOfTrace = {
  "POST /v1/tasks": 1,
  "submit traced.parent": 1,
  "run traced.parent": 2,
  "step call": 1,
  "submit traced.child": 1,
  "run traced.child": 1,
  "a part of the child": 1,
  "wait default": 2
}

/** A metric's name, of one of its parts. */
const wholeName = (name: string) => name.replace(/_(bucket|sum|count)$/, "")

/** The lines that are JSON, as objects. */
const linesOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []))

describe("a node that is watched", () => {
  test("follows a task through its processes, in traces, log lines and metrics", async () => {
    await using collector = aCollector()
    await using node = await startNode({
      workers: 1,
      env: {
        ...collector.environment,
        OTEL_SERVICE_NAME: "shop",
        TROUPE_LOG_FORMAT: "json",
        TROUPE_HANDLERS: `${import.meta.dir}/handlers`
      }
    })

    const { body } = await node.json("/tasks", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        traceparent: `00-${traceId}-${caller}-01`,
        tracestate: "vendor=1"
      },
      body: JSON.stringify({ name: "traced.parent", input: { service: `${collector.url}/service` } })
    })
    const id = String(body["id"])
    const answer = await node.result(id)
    // Each process sends its spans when it does, the API apart from the worker.
    const spans = await eventually("all spans", () => {
      const ours = collector.spans().filter((span) => span.traceId === traceId)
      return Object.entries(spansOfTrace).every(([name, count]) => named(ours, name).length >= count)
        ? ours
        : undefined
    })

    // One trace, from the caller through the API, the queue, the run and its step to the child and what it calls.
    const [request] = named(spans, "POST /v1/tasks")
    const [submit] = named(spans, "submit traced.parent")
    const [first, second] = named(spans, "run traced.parent").toSorted((a, b) => (a.start < b.start ? -1 : 1))
    const [step] = named(spans, "step call")
    const [childSubmit] = named(spans, "submit traced.child")
    const [child] = named(spans, "run traced.child")
    const [part] = named(spans, "a part of the child")
    const waits = named(spans, "wait default")
    expect(request).toMatchObject({ parentSpanId: caller, kind: 2, service: "shop" })
    expect(submit).toMatchObject({ parentSpanId: request!.spanId, kind: 4 })
    expect(first).toMatchObject({ parentSpanId: submit!.spanId, kind: 5 })
    expect(first!.attributes).toMatchObject({
      "troupe.task.id": id,
      "troupe.attempt": 1,
      "troupe.outcome": "waiting"
    })
    expect(second!.attributes).toMatchObject({ "troupe.attempt": 2, "troupe.outcome": "succeeded" })
    expect(step!.parentSpanId).toBe(first!.spanId)
    expect(childSubmit!.parentSpanId).toBe(first!.spanId)
    expect(child!.parentSpanId).toBe(childSubmit!.spanId)
    expect(part!.parentSpanId).toBe(child!.spanId)
    expect(waits.map(({ parentSpanId }) => parentSpanId)).toContain(submit!.spanId)
    for (const { end, start } of spans) expect(end).toBeGreaterThanOrEqual(start)
    // What a handler calls is told of the run that calls it, and so is the child's own handler.
    expect(collector.others()).toEqual([
      { path: "/service", traceparent: `00-${traceId}-${first!.spanId}-01` }
    ])
    expect(answer.body as unknown).toBe(`00-${traceId}-${child!.spanId}-01`)
    expect(collector.bytes()).not.toContain("canary")

    // Every line that is logged in a run says whose it is.
    const lines = await eventually("both lines", () => {
      const ours = linesOf(node.stderr()).filter(({ message }) => String(message).endsWith("at work"))
      return ours.length >= 2 ? ours : undefined
    })
    const [ofParent] = lines.filter(({ message }) => message === "parent at work")
    const [ofChild] = lines.filter(({ message }) => message === "child at work")
    const worker = expect.stringMatching(/./)
    const common = {
      level: "warn",
      attempt: 1,
      queue: "default",
      tenant: "default",
      worker,
      trace_id: traceId
    }
    expect(ofParent).toMatchObject({ ...common, task: id, handler: "traced.parent", span_id: first!.spanId })
    expect(ofChild).toMatchObject({ ...common, handler: "traced.child", span_id: child!.spanId })
    expect(node.stderr()).not.toContain("canary")

    // One address tells of all processes.
    const all = await eventually("the metrics of the worker", async () => {
      const text = await (await fetch(`${node.url}/metrics`)).text()
      const all = readExposition(text)
      const isTold = (process: string) =>
        valueOf(all, "process_resident_memory_bytes", { process }) !== undefined
      return ["api", "node", "worker 1"].every(isTold) ? all : undefined
    })
    const turns = valueOf(all, "troupe_redis_script_seconds_count", {
      process: "worker 1",
      script: "worker-turn"
    })
    expect(turns).toBeGreaterThan(0)
    // Whatever the dashboard asks for is there, and the alerts with it.
    const dashboard = await Bun.file(
      `${import.meta.dir}/../../../deploy/grafana/dashboards/troupe.json`
    ).text()
    const shown = new Set(dashboard.match(/\b(troupe|process)_[a-z_]+/g)!.map(wholeName))
    expect([...shown].filter((name) => !all.has(name))).toEqual([])
    expect(valueOf(all, "troupe_event_loop_lag_seconds_count", { process: "worker 1" })).toBeGreaterThan(0)
  }, 60_000)
})
