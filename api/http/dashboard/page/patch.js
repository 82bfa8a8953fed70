/**
 * Brings the document to what is to be shown, by the fewest changes: what stays the same is left alone, with its focus, its
 * selection, what was typed into it and whether it was opened.
 */

const pictures = "http://www.w3.org/2000/svg"

/** What each node shows. */
const shown = new WeakMap()

const keyOf = (tree, at) => {
  if (typeof tree === "string") return `text ${at}`
  const { key } = tree.props
  return key === undefined ? `${tree.tag} ${at}` : `${tree.tag} = ${key}`
}

/** What the user changes, too: it is a property, and an attribute only says how it began. */
const isLive = (name) => name === "value" || name === "checked" || name === "indeterminate"

const setProp = (node, name, value) => {
  if (name === "key") return
  if (name.startsWith("on")) node[name.toLowerCase()] = value ?? null
  else if (isLive(name)) node[name] = value ?? ""
  else if (value === undefined || value === null || value === false) node.removeAttribute(name)
  else node.setAttribute(name, value === true ? "" : String(value))
}

const setProps = (node, before, after) => {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
    if (before[name] !== after[name]) setProp(node, name, after[name])
}

const create = (tree) => {
  if (typeof tree === "string") return document.createTextNode(tree)
  const node = tree.isPicture
    ? document.createElementNS(pictures, tree.tag)
    : document.createElement(tree.tag)
  // Options come first: a select is given a value that it must have.
  show(node, tree.children)
  setProps(node, {}, tree.props)
  return node
}

const update = (node, tree) => {
  if (typeof tree === "string") {
    if (node.data !== tree) node.data = tree
    return
  }
  const { tree: before } = shown.get(node)
  show(node, tree.children)
  setProps(node, before.props, tree.props)
}

/** Makes these the children of a node. */
export const show = (parent, trees) => {
  const keys = trees.map(keyOf)
  const wanted = new Set(keys)
  const there = new Map()
  for (const node of [...parent.childNodes]) {
    const key = shown.get(node)?.key
    if (key !== undefined && wanted.has(key) && !there.has(key)) there.set(key, node)
    else node.remove()
  }
  let next = parent.firstChild
  for (const [at, tree] of trees.entries()) {
    const key = keys[at]
    const known = there.get(key)
    there.delete(key)
    if (known !== undefined) update(known, tree)
    const node = known ?? create(tree)
    shown.set(node, { key, tree })
    if (node === next) next = next.nextSibling
    else parent.insertBefore(node, next)
  }
}
