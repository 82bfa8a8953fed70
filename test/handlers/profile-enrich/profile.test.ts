/** What follows from deeds, words and weights alone. */
import { describe, expect, test } from "bun:test"
import { behaviourOf, changeOf, dayMs, type Deed } from "../../../handlers/profile-enrich/behaviour.ts"
import { type Said, sentimentOf, topicsOf } from "../../../handlers/profile-enrich/feelings.ts"
import { featuresOf, propensityOf, weightsDefault } from "../../../handlers/profile-enrich/propensity.ts"
import { topicsIn } from "../../../handlers/profile-enrich/words.ts"

/** A Friday, at noon. */
const asOf = Date.UTC(2030, 5, 28, 12)

const ago = (days: number, over: Partial<Deed> = {}): Deed => ({
  at: asOf - days * dayMs,
  type: "visit",
  ...over
})

describe("behaviour", () => {
  test("tells when, how often, where and what", () => {
    const deeds = [
      ago(2, { channel: "web" }),
      ago(9, { channel: "web", type: "purchase", value: 20 }),
      ago(16, { channel: "shop", type: "purchase", value: 5.5 }),
      ago(44)
    ]
    expect(behaviourOf(deeds, asOf, "UTC")).toMatchObject({
      count: 4,
      firstAt: "2030-05-15T12:00:00.000Z",
      lastAt: "2030-06-26T12:00:00.000Z",
      recencyDays: 2,
      tenureDays: 44,
      perWeek: Number((4 / (44 / 7)).toFixed(3)),
      channels: { web: 0.667, shop: 0.333 },
      types: { visit: 2, purchase: 2 },
      value: 25.5,
      change: 0.5,
      trend: "rising"
    })
  })

  test("tells hours and weekdays where its customer lives", () => {
    const { hours, weekdays } = behaviourOf([ago(0)], asOf, "Asia/Tokyo")
    expect([hours.indexOf(1), weekdays]).toEqual([21, [0, 0, 0, 0, 1, 0, 0]])
    expect(behaviourOf([ago(0)], asOf, "Pacific/Kiritimati").weekdays[5]).toBe(1)
  })

  test("of what has not happened yet, or of nothing, is none", () => {
    expect(behaviourOf([ago(-1)], asOf, "UTC")).toMatchObject({
      count: 0,
      perWeek: 0,
      channels: {},
      change: 0,
      trend: "steady"
    })
  })

  test("falls when what was often done stops", () => {
    expect(behaviourOf([ago(40), ago(50)], asOf, "UTC")).toMatchObject({ change: -1, trend: "falling" })
    expect(changeOf(0, 0)).toBe(0)
  })

  test("names no prototype by a channel", () => {
    expect(behaviourOf([ago(1, { channel: "__proto__" })], asOf, "UTC").count).toBe(1)
  })
})

describe("words", () => {
  const said = (days: number, sentiment: number, ...topics: ReadonlyArray<string>): Said => ({
    at: asOf - days * dayMs,
    sentiment,
    topics: new Map(topics.map((topic) => [topic, sentiment]))
  })

  test("count half when they are a month old", () => {
    expect(sentimentOf([said(0, 0.6), said(30, -0.3)], asOf)).toEqual({
      score: 0.3,
      label: "positive",
      change: 0.9,
      trend: "rising",
      positive: 1,
      neutral: 0,
      negative: 1
    })
    expect(sentimentOf([], asOf)).toMatchObject({ score: 0, label: "neutral", change: 0, trend: "steady" })
  })

  test("have the topics of most messages first", () => {
    const all = [said(1, 0.5, "coffee", "refund"), said(2, -0.5, "coffee"), said(3, 0, "tea")]
    expect(topicsOf(all, 2)).toEqual([
      { topic: "coffee", messages: 2, sentiment: 0 },
      { topic: "refund", messages: 1, sentiment: 0.5 }
    ])
  })

  test("in a row are one topic, once a sentence", () => {
    expect(
      topicsIn(
        ["NOUN", "NOUN", "VERB", "NOUN", "PUNCT", "NOUN", "NOUN"],
        ["coffee", "machine", "be", "thing", ".", "coffee", "machine"]
      )
    ).toEqual(["coffee machine"])
  })
})

describe("propensity", () => {
  const behaviour = behaviourOf([ago(0, { type: "purchase", value: 10 })], asOf, "UTC")
  const features = featuresOf(behaviour, { score: 0.5, change: 0 })

  test("is the logistic of what its features come to, each of which it tells", () => {
    const { bias, contributions, score } = propensityOf(features, {
      bias: -1,
      recency: 2,
      sentiment: 1,
      tenure: 3
    })
    expect(score).toBe(Number((1 / (1 + Math.exp(-(-1 + 2 + 0.5)))).toFixed(4)))
    expect(bias).toBe(-1)
    expect(contributions).toEqual([
      { feature: "recency", value: 1, weight: 2, contribution: 2 },
      { feature: "sentiment", value: 0.5, weight: 1, contribution: 0.5 },
      { feature: "tenure", value: 0, weight: 3, contribution: 0 }
    ])
  })

  test("knows types of events by their names, and those that never came as nothing", () => {
    const { contributions } = propensityOf(features, { "event:purchase": 1, "event:refund": -5 })
    expect(contributions).toMatchObject([
      { feature: "event:purchase", contribution: Number(Math.log(2).toFixed(4)) },
      { feature: "event:refund", value: 0, contribution: 0 }
    ])
  })

  test("is higher for who was there lately, often and content", () => {
    const scoreOf = (deeds: ReadonlyArray<Deed>, sentiment: number) =>
      propensityOf(
        featuresOf(behaviourOf(deeds, asOf, "UTC"), { score: sentiment, change: 0 }),
        weightsDefault
      ).score
    const often = [1, 5, 9, 13].map((days) => ago(days))
    expect(scoreOf(often, 0.5)).toBeGreaterThan(scoreOf(often, -0.5))
    expect(scoreOf(often, 0)).toBeGreaterThan(scoreOf([ago(80)], 0))
    expect(scoreOf([], 0)).toBeLessThan(0.2)
  })
})
