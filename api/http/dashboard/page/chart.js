/** What happened minute by minute, as a small picture: what ended as bars, what was submitted as a line. */
import { clockTime, count, many } from "./format.js"
import { h, s } from "./tree.js"

const width = 720
const height = 160
const minuteMs = 60_000

/** Every one of the minutes, also those in which nothing happened, the newest last. */
export const minutesOf = (perMinute, minutes, now) => {
  const known = new Map(perMinute.map((one) => [Date.parse(one.at), one]))
  const last = Math.floor(now / minuteMs) * minuteMs
  return Array.from({ length: minutes }, (_, index) => {
    const at = last - (minutes - 1 - index) * minuteMs
    return (
      known.get(at) ?? { at: new Date(at).toISOString(), submitted: 0, succeeded: 0, failed: 0, retried: 0 }
    )
  })
}

/** A round number that is no less, for the top of a scale. */
export const topOf = (most) => {
  if (most <= 5) return 5
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((top) => top >= most)
}

/** Where the bars stand, and the points of the line. */
export const figureOf = (minutes) => {
  const most = Math.max(0, ...minutes.map((one) => Math.max(one.succeeded + one.failed, one.submitted)))
  const top = topOf(most)
  const high = (number) => (number / top) * height
  const step = width / minutes.length
  const bars = minutes.map((minute, index) => {
    const good = high(minute.succeeded)
    const bad = high(minute.failed)
    return { x: index * step, width: Math.max(1, step - 1.5), good, bad, minute }
  })
  const line = minutes.map(
    ({ submitted }, index) => `${((index + 0.5) * step).toFixed(1)},${(height - high(submitted)).toFixed(1)}`
  )
  return { top, bars, line: line.join(" ") }
}

const titleOf = ({ at, failed, retried = 0, submitted, succeeded }, now) =>
  `${clockTime(at, now).slice(0, -3)}: ${count(submitted)} submitted, ${count(succeeded)} succeeded, ${count(failed)} failed, ${count(retried)} retried`

const sum = (minutes, name) => minutes.reduce((total, one) => total + one[name], 0)

export const chart = (perMinute, length, now) => {
  const minutes = minutesOf(perMinute, length, now)
  const { bars, line, top } = figureOf(minutes)
  const said = `In ${many(length, "minute")}: ${count(sum(minutes, "submitted"))} submitted, ${count(sum(minutes, "succeeded"))} succeeded, ${count(sum(minutes, "failed"))} failed`
  return h(
    "figure",
    { class: "chart" },
    s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
      [0.25, 0.5, 0.75].map((part) =>
        s("line", { class: "grid", x1: 0, x2: width, y1: height * part, y2: height * part })
      ),
      bars.map(({ bad, good, minute, width, x }) =>
        s(
          "g",
          { key: minute.at },
          s("title", null, titleOf(minute, now)),
          s("rect", { class: "hover", x, width, y: 0, height }),
          good > 0 ? s("rect", { class: "good", x, width, y: height - good, height: good }) : undefined,
          bad > 0 ? s("rect", { class: "bad", x, width, y: height - good - bad, height: bad }) : undefined
        )
      ),
      s("polyline", { class: "line", points: line })
    ),
    h("span", { class: "top" }, count(top)),
    h(
      "figcaption",
      null,
      h("span", { class: "from" }, clockTime(minutes[0].at, minutes[0].at).slice(0, -3)),
      h("span", { class: "legend" }, h("i", { class: "good" }), "succeeded"),
      h("span", { class: "legend" }, h("i", { class: "bad" }), "failed"),
      h("span", { class: "legend" }, h("i", { class: "line" }), "submitted"),
      h("span", { class: "to" }, "now")
    )
  )
}
