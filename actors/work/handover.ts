/**
 * What a puller knows of tasks that submits hand to it while it has nothing to do: whether it stands by for one, and how many
 * it was handed without having heard of them.
 *
 * Orders come on another connection than the answers to turns, so an order may be here before the answer that tells of it,
 * or never. A turn that asks for everything held settles it: what is not known by then is given back, and the order for it
 * is not obeyed when it comes after all. A submit hands a task over once, and whoever runs it next has another entry: so the
 * entries that were given back say which orders are too late, whatever the clocks do.
 */
import type { Entry } from "../../runtime/task.ts"
import type { Turn, TurnReply } from "../../runtime/turn.ts"

/** How long an order may be on its way once an answer has told of it, in milliseconds; then it is taken for lost. */
const orderMaxMs = 1_000

/** How many entries that were given back are known; a late order for an older one starts a run that nothing is written of. */
const givenBackMax = 1_000

export class Handover {
  /** Whether it may be handed a task, as far as it knows. */
  #standsBy = false
  /** How many it was handed less those heard of; below 0 where an order came before its answer. */
  #owed = 0
  /** Since when an order has been owed. */
  #owedMono = 0
  /** Whether a turn is on its way that says something of it. */
  #speaks = false
  /** What was given back unheard of, the newest last. */
  readonly #givenBack = new Set<Entry>()

  get standsBy(): boolean {
    return this.#standsBy
  }

  /** Handed to it, and not heard of yet: they take up room. */
  get owed(): number {
    return Math.max(0, this.#owed)
  }

  /** What the next turn says; `mayStandBy` when it may be handed a task from that turn on. One turn at a time speaks of it. */
  say(mayStandBy: boolean): Pick<Turn, "stoodBy" | "standsBy"> {
    if (this.#speaks) return { stoodBy: false, standsBy: false }
    const said = { stoodBy: this.#standsBy, standsBy: mayStandBy }
    this.#speaks = said.stoodBy || said.standsBy
    return said
  }

  answered(turn: Turn, reply: TurnReply, nowMono: number): void {
    if (turn.again) {
      this.#owed = 0
    } else if (reply.handed) {
      if (this.#owed === 0) this.#owedMono = nowMono
      this.#owed += 1
    }
    if (turn.again || turn.stoodBy || turn.standsBy) {
      this.#speaks = false
      this.#standsBy = reply.standsBy
    }
    this.#settle()
  }

  /** Whether it stands by, and what it was handed, is not known until a turn asks for everything. */
  unanswered(turn: Turn): void {
    if (!turn.stoodBy && !turn.standsBy) return
    this.#speaks = false
    this.#standsBy = true
  }

  /** Whether an order seems to be lost, so that a turn is to ask for everything. */
  isOverdue(nowMono: number): boolean {
    return this.#owed > 0 && nowMono - this.#owedMono > orderMaxMs
  }

  /** These were held in its name, and it knew nothing of them. */
  gaveBack(entries: ReadonlyArray<Entry>): void {
    for (const entry of entries) this.#givenBack.add(entry)
    for (const oldest of this.#givenBack) {
      if (this.#givenBack.size <= givenBackMax) break
      this.#givenBack.delete(oldest)
    }
  }

  /** An order to run this has come. Says whether to obey it. */
  hears(entry: Entry): boolean {
    if (this.#givenBack.delete(entry)) return false
    this.#owed -= 1
    this.#settle()
    return true
  }

  /** An order that no answer has told of is for its standing by now. */
  #settle(): void {
    if (this.#owed >= 0 || this.#speaks) return
    this.#owed = 0
    this.#standsBy = false
  }
}
