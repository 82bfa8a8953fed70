/** Problems and their documentation: programs decide by types, so each is written down, with its status. */
import { expect, test } from "bun:test"
import { general, kinds } from "../../../api/http/problem.ts"

const documented = async () => {
  const text = await Bun.file(`${import.meta.dir}/../../../docs/http.md`).text()
  return [...text.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \|/gm)].map(([, status, type]) => `${status} ${type}`)
}

test("every type of problem is documented with its status, and nothing else is", async () => {
  const all = Object.values<{ readonly status: number; readonly types: ReadonlyArray<string> }>({
    ...kinds,
    ...general
  })
  const known = all.flatMap(({ status, types }) => types.map((type) => `${status} ${type}`))

  expect([...new Set(await documented())].sort()).toEqual([...new Set(known)].sort())
})
