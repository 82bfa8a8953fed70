/** An OpenTelemetry collector as far as a test needs one: it takes what is exported as OTLP in JSON, and keeps it. */

export interface ExportedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number
  /** Unix nanoseconds. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  /** 2 is an error. */
  readonly status: number
  readonly service: string
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

const attributesOf = (attributes: ReadonlyArray<Attribute>) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

interface Exported {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<Attribute> }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly kind: number
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes: ReadonlyArray<Attribute>
        readonly status: { readonly code: number }
      }>
    }>
  }>
}

export const spansIn = (body: unknown): ReadonlyArray<ExportedSpan> =>
  (body as Exported).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        name: span.name,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        status: span.status.code,
        service: String(attributesOf(resource.attributes)["service.name"])
      }))
    )
  )

/** Listens for as long as it is in use. `others` are requests that are no exports. */
export const aCollector = () => {
  const spans: Array<ExportedSpan> = []
  const others: Array<{ readonly path: string; readonly traceparent: string | null }> = []
  let bytes = ""
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname } = new URL(request.url)
      if (pathname === "/v1/traces") {
        const text = await request.text()
        bytes += text
        spans.push(...spansIn(JSON.parse(text)))
        return Response.json({})
      }
      others.push({ path: pathname, traceparent: request.headers.get("traceparent") })
      return new Response(null, { status: 204 })
    }
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    spans: (): ReadonlyArray<ExportedSpan> => spans,
    others: () => others,
    /** Everything that was exported, as it came. */
    bytes: () => bytes,
    /** The variables of a process that exports to it. */
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100"
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop(true)
    }
  }
}
