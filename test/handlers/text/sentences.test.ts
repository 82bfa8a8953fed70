import { describe, expect, test } from "bun:test"
import { paragraphs, sentences, type Span } from "../../../handlers/text/sentences.ts"

const cut = (by: (text: string) => Array<Span>, text: string) =>
  by(text).map(({ end, start }) => text.slice(start, end))

describe("sentences", () => {
  test("end at a full stop, a question mark and an exclamation mark", () => {
    expect(cut(sentences, 'It died. Why? "Who knows!" she said. 42 is fine.')).toEqual([
      "It died.",
      "Why?",
      '"Who knows!" she said.',
      "42 is fine."
    ])
  })

  test("do not end inside numbers, names and abbreviations", () => {
    for (const whole of [
      "It took 3.5 seconds.",
      "Use redis.conf for that.",
      "See e.g. Redis.",
      "Dr. Who came.",
      "See Fig. 3."
    ]) {
      expect(cut(sentences, whole)).toEqual([whole])
    }
  })

  test("end with their line", () => {
    expect(cut(sentences, "A heading\n\nThen a text\n- an item\n- another")).toEqual([
      "A heading",
      "Then a text",
      "- an item",
      "- another"
    ])
  })

  test("end at the marks of Chinese and Japanese", () => {
    expect(cut(sentences, "任务失败。重试！")).toEqual(["任务失败。", "重试！"])
  })

  test("of a part of a text are where that part is", () => {
    const text = "One. Two. Three."
    expect(sentences(text, { start: 5, end: 9 })).toEqual([{ start: 5, end: 9 }])
  })

  test("are found quickly in a text that is made to be slow", () => {
    const evil = [". ", "\n ", "(", '."', "。", "- \n", "e.g. ", "x"].map((part) => part.repeat(100_000))
    const before = performance.now()
    for (const text of evil) sentences(text)
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})

describe("paragraphs", () => {
  test("have blank lines between them, and no white space around them", () => {
    expect(cut(paragraphs, "\n\n one\ntwo \n  \n\n three\n")).toEqual(["one\ntwo", "three"])
  })
})
