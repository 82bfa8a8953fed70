/** What a module exports, wherever it is declared: its declaration as text, and its comment. */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { parseSync } from "oxc-parser"

export interface Exported {
  readonly name: string
  readonly kind: "value" | "class" | "type"
  /** As TypeScript writes it, the comments of its members included. */
  readonly text: string
  /** What its comment says; empty when it has none. */
  readonly comment: string
  /** The file that declares it, from the project's root. */
  readonly file: string
}

export interface Folders {
  readonly declarations: string
  readonly sources: string
}

type Parsed = ReturnType<typeof parseSync>
type Statement = Parsed["program"]["body"][number]

interface Module {
  readonly text: string
  readonly parsed: Parsed
}

const modules = new Map<string, Module>()

const read = (file: string): Module => {
  const known = modules.get(file)
  if (known !== undefined) return known
  const text = readFileSync(file, "utf8")
  const made = { text, parsed: parseSync(file, text) }
  modules.set(file, made)
  return made
}

const declarationFile = (from: string, specifier: string) =>
  path.resolve(path.dirname(from), specifier.replace(/\.ts$/, ".d.ts"))

/** The text of the comment right before a place. */
const commentBefore = ({ parsed, text }: Module, at: number): string => {
  const comment = parsed.comments.findLast(({ end, type, value }) => {
    return type === "Block" && value.startsWith("*") && end <= at && text.slice(end, at).trim() === ""
  })
  return (comment?.value ?? "")
    .replace(/^\*/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim()
}

/** A class says what it is made of in what it extends, which declarations take apart. */
const classText = (name: string, source: string): string | undefined => {
  const module = read(source)
  for (const statement of module.parsed.program.body) {
    const made = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement
    if (made?.type !== "ClassDeclaration" || made.id?.name !== name || made.superClass === null) continue
    return `class ${name} extends ${module.text.slice(made.superClass.start, made.superClass.end)}`
  }
  return undefined
}

const namesOf = (declaration: Statement): ReadonlyArray<string> => {
  if (declaration.type === "VariableDeclaration")
    return declaration.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []))
  if (
    declaration.type === "ClassDeclaration" ||
    declaration.type === "FunctionDeclaration" ||
    declaration.type === "TSDeclareFunction" ||
    declaration.type === "TSInterfaceDeclaration" ||
    declaration.type === "TSTypeAliasDeclaration"
  )
    return declaration.id === null ? [] : [declaration.id.name]
  return []
}

/** A declaration, and after it what its file declares and does not export, but it is made of. */
const withNamed = (module: Module, text: string): string => {
  const texts = [text]
  const told = new Set<Statement>()
  // What is added may name more.
  for (const one of texts) {
    const words = new Set(one.match(/\w+/g))
    for (const statement of module.parsed.program.body) {
      if (told.has(statement) || !namesOf(statement).some((name) => words.has(name))) continue
      told.add(statement)
      const comment = commentBefore(module, statement.start)
      const plain = module.text.slice(statement.start, statement.end).replace(/^declare /, "")
      texts.push(comment === "" ? plain : `/** ${comment.replaceAll("\n", " ")} */\n${plain}`)
    }
  }
  return texts.join("\n\n")
}

const withoutComments = (text: string) => text.replaceAll(/\/\*[^]*?\*\//g, "")

/** What a declaration names of other modules of ours. What it names of packages, those tell themselves. */
export const namedBy = ({ file, text }: Exported, folders: Folders): ReadonlyArray<Exported> => {
  const from = path.join(folders.declarations, file.replace(/\.ts$/, ".d.ts"))
  const code = withoutComments(text)
  const words = new Set(code.match(/\w+/g))
  return read(from).parsed.program.body.flatMap((statement) => {
    if (statement.type !== "ImportDeclaration" || !statement.source.value.startsWith(".")) return []
    const names = statement.specifiers.flatMap((specifier) => {
      const local = specifier.local.name
      if (!words.has(local)) return []
      if (specifier.type === "ImportNamespaceSpecifier") {
        return [...code.matchAll(new RegExp(`\\b${local}\\.(\\w+)`, "g"))].map(([, name]) => name!)
      }
      return specifier.type === "ImportSpecifier" && specifier.imported.type === "Identifier"
        ? [specifier.imported.name]
        : []
    })
    const source = declarationFile(from, statement.source.value)
    return names.flatMap((name) => find(source, name, folders))
  })
}

const kindOf = ({ type }: Statement): Exported["kind"] => {
  if (type === "ClassDeclaration") return "class"
  return type === "TSInterfaceDeclaration" || type === "TSTypeAliasDeclaration" ? "type" : "value"
}

/** What a file declares under a name, or passes on from another one; a value and a type may share one. */
const find = (file: string, name: string, folders: Folders): ReadonlyArray<Exported> => {
  const module = read(file)
  const found: Array<Exported> = []
  for (const statement of module.parsed.program.body) {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement
    if (declaration === null || !namesOf(declaration).includes(name)) continue
    const kind = kindOf(declaration)
    const relative = path.relative(folders.declarations, file).replace(/\.d\.ts$/, ".ts")
    const plain = module.text.slice(declaration.start, declaration.end).replace(/^declare /, "")
    const classed = kind === "class" ? classText(name, path.join(folders.sources, relative)) : undefined
    found.push({
      name,
      kind,
      text: classed ?? withNamed(module, plain),
      comment: commentBefore(module, statement.start),
      file: relative
    })
  }
  // The type of a schema is told by the schema.
  const schema = found.find(({ kind }) => kind === "value")
  const isOfSchema = found.length === 2 && found.some(({ text }) => text.includes(`= typeof ${name}.Type`))
  if (schema !== undefined && isOfSchema) return [{ ...schema, kind: "type" }]
  return found.length > 0 ? found : exportsOf(file, folders).filter((one) => one.name === name)
}

/** All exports of a module. A name that is declared more than once is there as often. */
export const exportsOf = (file: string, folders: Folders): ReadonlyArray<Exported> =>
  read(file).parsed.program.body.flatMap((statement): ReadonlyArray<Exported> => {
    if (statement.type === "ExportAllDeclaration")
      return exportsOf(declarationFile(file, statement.source.value), folders)
    if (statement.type !== "ExportNamedDeclaration") return []
    const { declaration } = statement
    if (declaration !== null)
      return namesOf(declaration).flatMap((name) =>
        find(file, name, folders).filter(({ kind }) => kind === kindOf(declaration))
      )
    return statement.specifiers.flatMap(({ exported, local }) => {
      if (local.type !== "Identifier" || exported.type !== "Identifier") return []
      const from = statement.source === null ? file : declarationFile(file, statement.source.value)
      return find(from, local.name, folders).map((one) => ({ ...one, name: exported.name }))
    })
  })
