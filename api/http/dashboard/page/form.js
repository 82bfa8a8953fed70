/** What a form says. */

/** Its texts by the names of its fields, without the space around them. */
export const textsIn = (form) =>
  Object.fromEntries(
    [...new FormData(form)].map(([name, text]) => [name, typeof text === "string" ? text.trim() : ""])
  )
