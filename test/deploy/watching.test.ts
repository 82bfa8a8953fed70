/** What is in `deploy/` to watch a system with: alerts and a dashboard of metrics that are there, and pages that explain them. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { families, type FamilyName } from "../../runtime/telemetry/families.ts"
import { type Asked, readQuery } from "../support/promql.ts"

const root = path.resolve(import.meta.dir, "../..")
const read = (file: string) => readFileSync(path.join(root, file), "utf8")

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}

const alerts = (
  Bun.YAML.parse(read("deploy/prometheus/alerts.yml")) as {
    readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Alert> }>
  }
).groups.flatMap(({ rules }) => rules)

interface Panel {
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}

const dashboard = JSON.parse(read("deploy/grafana/dashboards/troupe.json")) as {
  readonly uid: string
  readonly panels: ReadonlyArray<Panel>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string; readonly query: unknown }> }
}

/** What Grafana puts into a query before it asks. */
const filled = (expr: string) => expr.replaceAll("$__rate_interval", "1m").replaceAll("$queue", ".*")

const panels = dashboard.panels.filter(({ type }) => type !== "row")

const queries: ReadonlyArray<readonly [where: string, query: string]> = [
  ...alerts.map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ...panels.flatMap(({ targets = [], title }) =>
    targets.map(({ expr }) => [`panel ${title}`, filled(expr)] as const)
  )
]

/** The family of what a query names. */
const familyOf = (metric: string) => {
  const [whole, part] = [metric, metric.replace(/_(bucket|sum|count)$/, "")]
  const name = (Object.hasOwn(families, whole) ? whole : part) as FamilyName
  const family = Object.hasOwn(families, name) ? families[name] : undefined
  return family === undefined || (whole !== part && name === part && family.kind !== "histogram")
    ? undefined
    : family
}

/** Labels that its series have, as Prometheus keeps them. */
const labelsOf = ({ metric }: Asked): ReadonlyArray<string> => {
  const family = familyOf(metric)
  if (family === undefined) throw new Error(`there is no metric ${metric}`)
  return [
    ...family.labels,
    "instance",
    "job",
    ...(family.of === "process" ? ["process"] : []),
    ...(metric.endsWith("_bucket") ? ["le"] : [])
  ]
}

describe("an alert or a panel", () => {
  test.each(queries)("%s asks for metrics that are there, by labels that they have", (_, query) => {
    const { asked, grouped } = readQuery(query)
    expect(asked.length).toBeGreaterThan(0)
    const ours = asked.filter(({ metric }) => metric !== "up")
    for (const { metric } of ours)
      expect({ metric, isThere: familyOf(metric) !== undefined }).toEqual({ metric, isThere: true })
    for (const one of ours) for (const label of one.labels) expect(labelsOf(one)).toContain(label)
    for (const label of grouped) expect(ours.flatMap(labelsOf)).toContain(label)
  })

  test.each(queries)("%s adds up only what each process tells of itself", (_, query) => {
    for (const { metric } of readQuery(query).asked) {
      if (metric === "up" || familyOf(metric)!.of === "process") continue
      // Every API process tells the same: the innermost join of such figures is a `max`.
      const inner = new RegExp(`max(?: by \\([^)]*\\) )?\\((?:(?:rate|increase|delta)\\()?${metric}`)
      const compact = query.replaceAll(/\s+/g, " ").replaceAll(/\(\s/g, "(")
      expect(compact).toMatch(inner)
    }
  })
})

describe("the alerts", () => {
  const manual = read("docs/operating.md")

  test.each(alerts.map((alert) => [alert.alert, alert] as const))(
    "%s has a section that says what to do",
    (name, alert) => {
      const section = new RegExp(`^#### ${name}\n\n\\*Means\\*: .+\n\n\\*Do\\*: .+$`, "m")
      expect(manual).toMatch(section)
      expect(alert.annotations.runbook_url).toBe(`docs/operating.md#${name.toLowerCase()}`)
      expect(["page", "warn"]).toContain(alert.labels.severity)
      expect(alert.annotations.summary).not.toBe("")
    }
  )

  test("have names of their own, and no section is of one that is gone", () => {
    const names = alerts.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    expect([...manual.matchAll(/^#### (Troupe\w+)$/gm)].map(([, name]) => name)).toEqual(names)
  })
})

describe("the dashboard", () => {
  test("shows every metric there is", () => {
    const shown = new Set(
      panels.flatMap(({ targets = [] }) =>
        targets.flatMap(({ expr }) =>
          readQuery(filled(expr)).asked.map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, ""))
        )
      )
    )
    expect(Object.keys(families).filter((name) => !shown.has(name))).toEqual([])
  })

  test("has panels that do not lie over each other", () => {
    for (const [at, { gridPos: one }] of dashboard.panels.entries()) {
      expect(one.x + one.w).toBeLessThanOrEqual(24)
      for (const { gridPos: other } of dashboard.panels.slice(at + 1)) {
        const apart =
          one.x + one.w <= other.x ||
          other.x + other.w <= one.x ||
          one.y + one.h <= other.y ||
          other.y + other.h <= one.y
        expect(apart).toBe(true)
      }
    }
  })

  test("is provisioned with a data source", () => {
    const [source] = (
      Bun.YAML.parse(read("deploy/grafana/provisioning/datasources/prometheus.yml")) as {
        readonly datasources: ReadonlyArray<{ readonly type: string }>
      }
    ).datasources
    expect(source?.type).toBe("prometheus")
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "queue"])
  })
})

describe("the manual", () => {
  test("names every metric once, with its labels, in one table", () => {
    const manual = read("docs/operating.md")
    for (const [name, { help, labels, of }] of Object.entries(families)) {
      const said = labels.map((label) => `\`${label}\``).join(", ")
      expect(manual.split(`\n| \`${name}\` | ${said} | ${of} | ${help} |\n`)).toHaveLength(2)
    }
  })
})
