import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { extractHtml } from "../../../handlers/document-process/html.ts"
import { it } from "../../support/effect.ts"

const filler = "Workers renew their leases while they run, and lose them when they die. ".repeat(12)

const page = `<!doctype html>
<html lang="en-GB"><head><title>  Leases &amp; workers </title><style>p { color: red }</style></head>
<body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About this site</a></li></ul></nav>
<article>
  <h1>How leases work</h1>
  <p>A lease is <b>fifteen</b>
     seconds long.</p>
  <p>${filler}</p>
  <ul><li>First <i>item</i></li><li><p>Second item</p></li></ul>
  <table><tr><th>code</th><th>meaning</th></tr><tr><td>0</td><td>done</td></tr></table>
  <pre>if (lost) {
  stop()
}</pre>
  <script>alert("never")</script>
</article>
<footer>Copyright by nobody</footer>
</body></html>`

describe("an HTML page", () => {
  it.live("is read as its article, without what stands around it", () =>
    Effect.gen(function* () {
      const {
        language,
        pages: [text],
        title
      } = yield* extractHtml(page)
      expect(title).toBe("Leases & workers")
      expect(language).toBe("en-GB")
      expect(text).toContain("A lease is fifteen seconds long.\n\nWorkers renew")
      expect(text).toContain("- First item\n- Second item")
      expect(text).toContain("0 | done")
      expect(text).toContain("if (lost) {\nstop()\n}")
      for (const absent of ["About this site", "Copyright", "alert", "color: red"])
        expect(text).not.toContain(absent)
    })
  )

  it.live("that holds no article is read as its body", () =>
    Effect.gen(function* () {
      const {
        pages: [text]
      } = yield* extractHtml("<html><body><nav>Menu</nav><p>Short.</p></body></html>")
      expect(text).toBe("Menu\n\nShort.")
    })
  )

  const pieces: ReadonlyArray<readonly [html: string, text: string]> = [
    ["<p>Only a piece", "Only a piece"],
    ["<title>Titled</title><p>Piece</p>", "Piece"],
    ["<body><p>No html element</p>", "No html element"],
    ["no elements &amp; more", "no elements & more"],
    ["<html><title>T</title><body><p>No head", "No head"],
    ["<html><head><meta charset=x><p>No body", "No body"],
    ["<HTML><BODY CLASS=a><P>Capitals", "Capitals"],
    ["a<br>b<hr>c", "a\nb\n\nc"],
    ["<p>a</p></p></div></html><p>b", "a\n\nb"],
    ["", ""]
  ]
  for (const [html, text] of pieces) {
    it.live(`may be a piece of one: ${html}`, () =>
      Effect.map(extractHtml(html), ({ pages }) => expect(pages[0]).toBe(text))
    )
  }

  it.live("that is very deep is read in little time", () =>
    Effect.gen(function* () {
      const before = performance.now()
      const deep = `<html><body>${"<div>".repeat(5_000)}the bottom${"</div>".repeat(5_000)}</body></html>`
      const { pages } = yield* extractHtml(deep)
      expect(pages[0]).toBe("the bottom")
      expect(performance.now() - before).toBeLessThan(5_000)
    })
  )

  it.live("that is too large is refused", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(extractHtml("<p>".padEnd(9 * 1024 * 1024, "x")))
      expect(refused).toMatchObject({ name: "DocumentTooLarge" })
    })
  )
})
