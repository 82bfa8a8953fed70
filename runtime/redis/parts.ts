/**
 * Arguments of a script in parts: what is of one segment, or one lane, lies one after the other, so that the script hands it to
 * Redis as it is.
 */

/** Lists by name. */
export class Parts {
  readonly #lists = new Map<string, Array<string | number>>()
  /** The one that was asked for last: mostly the same is asked for again. */
  #last: { readonly name: string; readonly list: Array<string | number> } | undefined

  get size(): number {
    return this.#lists.size
  }

  of(name: string): Array<string | number> {
    if (this.#last?.name === name) return this.#last.list
    const list = this.#lists.get(name) ?? []
    this.#lists.set(name, list)
    this.#last = { name, list }
    return list
  }

  /** Each list, behind its name and how many items of so many arguments it has. */
  flat(width: number): ReadonlyArray<string | number> {
    let all: ReadonlyArray<string | number> = []
    for (const [name, list] of this.#lists) all = all.concat(name, list.length / width, list)
    return all
  }
}
