/** What a supervisor has below it, as plain values and as text for an operator. */
import type { ChildState } from "./decision.ts"
import type { ChildType, Plan } from "./spec.ts"

export interface TreeNode {
  readonly id: string
  readonly type: ChildType
  readonly state: ChildState
  /** How often it was started again since it is known. */
  readonly restarts: number
  /** Since when it is in this state, in Unix milliseconds. */
  readonly since: number
  /** How many earlier runs did not stop in their time, and still go on. */
  readonly abandoned: number
  /** Of a supervisor that is alive. */
  readonly strategy?: Plan["strategy"]
  /** In start order. */
  readonly children: ReadonlyArray<TreeNode>
}

/** As many children of one supervisor are shown by default. */
const shownMax = 50

/** A line for each child, below its supervisor's. */
export const render = (root: TreeNode, options: { readonly shownMax?: number } = {}): string => {
  const max = options.shownMax ?? shownMax
  const lines: Array<string> = []
  const add = (node: TreeNode, lead: string, indent: string) => {
    lines.push(lead + line(node))
    const shown = node.children.slice(0, max)
    const hidden = node.children.length - shown.length
    for (const [at, child] of shown.entries()) {
      const last = at === shown.length - 1 && hidden === 0
      add(child, indent + (last ? "└─ " : "├─ "), indent + (last ? "   " : "│  "))
    }
    if (hidden > 0) lines.push(`${indent}└─ and ${hidden} more`)
  }
  add(root, "", "")
  return lines.join("\n")
}

const line = ({ abandoned, id, restarts, since, state, strategy }: TreeNode): string =>
  [
    strategy === undefined ? id : `${id} (${strategy})`,
    state,
    restarts === 1 ? "1 restart" : `${restarts} restarts`,
    ...(abandoned === 0 ? [] : [`${abandoned} abandoned`]),
    `since ${new Date(since).toISOString()}`
  ].join("  ")
