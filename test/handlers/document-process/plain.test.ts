import { describe, expect, test } from "bun:test"
import { extractMarkdown, extractText } from "../../../handlers/document-process/plain.ts"

describe("Markdown", () => {
  const markdown = `---
title: "From the front matter"
draft: true
---

# A **bold** heading

See [the guide](https://example.com/guide) and ![a picture](x.png), with \`code\`. This line was broken
because it is long.

- an item
- another

| code | meaning |
|---|---|
| 0 | done |

\`\`\`ts
const x = 1
\`\`\`
`

  test("is read without its marks", () => {
    const {
      pages: [text]
    } = extractMarkdown(markdown)
    expect(text).toContain(
      "A bold heading\n\nSee the guide and a picture, with code. This line was broken because it is long."
    )
    expect(text).toContain("- an item\n- another")
    expect(text).toContain("| 0 | done |")
    expect(text).toContain("const x = 1")
    expect(text).not.toContain("draft")
    expect(text).not.toContain("```")
  })

  test("is called what its front matter says, else what its first heading says", () => {
    expect(extractMarkdown(markdown).title).toBe("From the front matter")
    expect(extractMarkdown("text\n\n# A *heading* with `code` #\n").title).toBe("A *heading* with code")
    expect(extractMarkdown("no heading").title).toBeUndefined()
  })

  test("is read without what is embedded in it", () => {
    const image = `data:image/png;base64,${"iVBORw0KGgo".repeat(10_000)}=`
    const read = (markdown: string) => extractMarkdown(markdown).pages[0]
    expect(read(`Before ![the pump](${image}) after.`)).toBe("Before the pump after.")
    expect(read(`Before ![the pump](<${image}> "A pump") after.`)).toBe("Before the pump after.")
    expect(read(`Before ![the pump](data:image/svg+xml,%3Csvg%20a='b(c)'/%3E) after.`)).toBe(
      "Before the pump after."
    )
    expect(read(`Before <img alt="the pump" src="${image}"> after.`)).toBe(
      'Before <img alt="the pump" src=""> after.'
    )
    expect(read(`See ![the pump][1].\n\n[1]: ${image}\n[2]: <${image}>\n\nAfter.`)).toBe(
      "See ![the pump][1].\n\n[1]:\n[2]: <>\n\nAfter."
    )
    expect(read(`Cut off ![the pump](${image}`)).toBe("Cut off ![the pump](")
    expect(extractMarkdown(`# The pump ![](${image})`).title).toBe("The pump")
  })

  test("keeps what only looks embedded", () => {
    const [text] = extractMarkdown("The data: two (data: three), [data](x.csv), `a(data:b)`.").pages
    expect(text).toBe("The data: two (data: three), data, a(data:b).")
  })

  test("that is made to be slow is read in little time", () => {
    const before = performance.now()
    for (const part of ["[", "![](", "**", "`", "<!--", "# ", "---\n", "![](data:", "](<data:", "]:"])
      extractMarkdown(part.repeat(50_000))
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})

describe("plain text", () => {
  test("keeps its paragraphs, and joins lines that were broken for their length", () => {
    const { pages } = extractText(
      "One line that is long enough to have been broken\r\nhere.\r\n\r\nshort\r\nlines\r\nstay"
    )
    expect(pages).toEqual(["One line that is long enough to have been broken here.\n\nshort\nlines\nstay"])
  })

  test("loses what nobody sees", () => {
    expect(extractText("a\u00adb\u200bc\u0007d\ud800 \u00a0 e").pages).toEqual(["abcd\ufffd e"])
  })
})
