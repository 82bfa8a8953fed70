/**
 * The key that is shown to the API. It is kept for this tab until that is closed, and stands in no address, no cookie and
 * nowhere else.
 */

const name = "troupe.key"

let key = sessionStorage.getItem(name) ?? undefined

export const session = {
  get key() {
    return key
  },
  keep(text) {
    key = text
    sessionStorage.setItem(name, text)
  },
  forget() {
    key = undefined
    sessionStorage.removeItem(name)
  }
}
