/** A Lua file imported `with { type: "text" }` is its text. */
declare module "*.lua" {
  const text: string
  export default text
}
