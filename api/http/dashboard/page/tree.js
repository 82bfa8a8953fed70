/**
 * What is to be shown, as plain values: an element is its tag, its properties and its children. Texts stay texts, whatever is
 * written in them; there is no way to say HTML.
 */

const isShown = (child) => child !== undefined && child !== null && child !== false && child !== true

const childrenOf = (children) =>
  children
    .flat(Infinity)
    .filter(isShown)
    .map((child) => (typeof child === "object" ? child : String(child)))

/**
 * An element. Properties are attributes, but for `key`, by which it is known again among its siblings, and those that begin
 * with `on`, which are called.
 */
export const h = (tag, props, ...children) => ({ tag, props: props ?? {}, children: childrenOf(children) })

/** An element of a picture. */
export const s = (tag, props, ...children) => ({ ...h(tag, props, ...children), isPicture: true })

/** All text in it, one piece after the other. */
export const textOf = (tree) =>
  typeof tree === "string"
    ? tree
    : Array.isArray(tree)
      ? tree.map(textOf).join(" ")
      : tree.children.map(textOf).join(" ")

/** Every element in it, itself included. */
export const elementsOf = (tree) =>
  typeof tree === "string"
    ? []
    : Array.isArray(tree)
      ? tree.flatMap(elementsOf)
      : [tree, ...tree.children.flatMap(elementsOf)]
