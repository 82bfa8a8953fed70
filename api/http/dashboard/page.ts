/**
 * The dashboard as a browser gets it: the files of `page/` as they are, with nothing in them of the system that they show.
 *
 * All addresses in them are relative, so it works wherever the app is mounted, and behind a proxy that takes a part of the
 * address away.
 */
import { readdir, readFile } from "node:fs/promises"
import * as path from "node:path"

export interface Asset {
  readonly type: string
  readonly text: string
}

export interface Dashboard {
  /** The page at `/dashboard`. */
  readonly page: string
  /** The same at `/dashboard/`, from where its files have a shorter way. */
  readonly pageBelow: string
  /** What the page loads, by name. */
  readonly assets: ReadonlyMap<string, Asset>
}

const folder = path.join(import.meta.dirname, "page")
const pageName = "index.html"

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8"
}

/**
 * What the page may do: run and show its own files, and ask this server. A browser that knows trusted types refuses to make
 * elements or scripts of texts, so no payload can become either.
 */
export const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

const read = async (): Promise<Dashboard> => {
  const names = (await readdir(folder)).filter((name) => types[path.extname(name)] !== undefined)
  const textOf = (name: string) => readFile(path.join(folder, name), "utf8")
  const assets = await Promise.all(
    names.map(async (name) => [name, { type: types[path.extname(name)]!, text: await textOf(name) }] as const)
  )
  const page = await textOf(pageName)
  return { page, pageBelow: page.replaceAll('="dashboard/', '="'), assets: new Map(assets) }
}

let kept: Promise<Dashboard> | undefined

/** Read when it is first asked for. What could not be read is read again. */
export const dashboardFiles = (): Promise<Dashboard> => {
  kept ??= read().catch((error: unknown) => {
    kept = undefined
    throw error
  })
  return kept
}
