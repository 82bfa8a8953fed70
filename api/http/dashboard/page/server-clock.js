/** The time as the server has it: ages are told by it, and a browser's clock may be wrong. */

let aheadMs = 0

/** What an answer says is exact to a second, so that less is no difference. */
const sureMs = 2_000

export const noteDate = (header, now = Date.now()) => {
  const at = Date.parse(header ?? "")
  if (Number.isNaN(at)) return
  const ms = at + 500 - now
  aheadMs = Math.abs(ms) < sureMs ? 0 : ms
}

export const serverNow = (now = Date.now()) => now + aheadMs
