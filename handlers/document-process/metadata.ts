/** What a document says of itself beside its text, as far as it can be understood. */
import type { Metadata } from "../text/documents.ts"
import { beginning } from "../text/beginning.ts"
import { clean } from "./pages.ts"

/** What a document may say of itself, as it says it: any text, or nothing. */
export interface Said {
  readonly author?: unknown
  readonly subject?: unknown
  readonly producer?: unknown
  readonly created?: unknown
  readonly modified?: unknown
  readonly pageCount?: unknown
}

const saidCharactersMax = 500

/** Of what a document says of itself, what can be kept: short texts, and times that are some. */
export const said = ({ author, created, modified, pageCount, producer, subject }: Said): Metadata => {
  const text = (value: unknown) => {
    const read =
      typeof value === "string" ? beginning(clean(value).replace(/\s+/g, " "), saidCharactersMax) : ""
    return read === "" ? undefined : read
  }
  const time = (value: unknown) => {
    const read = typeof value === "string" ? timeOf(value.trim()) : undefined
    return read === undefined || Number.isNaN(read.getTime()) ? undefined : read.toISOString()
  }
  const pages = Number(pageCount)
  return Object.fromEntries(
    Object.entries({
      ...{ author: text(author), subject: text(subject), producer: text(producer) },
      ...{ created: time(created), modified: time(modified) },
      pageCount: Number.isInteger(pages) && pages > 0 ? pages : undefined
    }).filter(([, value]) => value !== undefined)
  )
}

/** The tag of the language that a document declares, `en-US` also where it says `en_US`; none where it says no tag. */
export const languageSaid = (value = ""): string | undefined =>
  /^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i.exec(value.trim().replaceAll("_", "-"))?.[0]

/** An ISO 8601 time, or a PDF's, as `D:20240131093000+01'00'`. What says no zone is taken for UTC. */
const timeOf = (value: string): Date | undefined => {
  const pdf = /^D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-]\d\d)'?(\d\d)?)?/.exec(value)
  if (pdf !== null) {
    const [, year, month = "01", day = "01", hour = "00", minute = "00", second = "00", zone, part = "00"] =
      pdf
    return new Date(
      `${year}-${month}-${day}T${hour}:${minute}:${second}${zone === undefined ? "Z" : `${zone}:${part}`}`
    )
  }
  if (!/^\d{4}-\d\d(-\d\d)?/.test(value)) return undefined
  const zoned = /[zZ]$|[+-]\d\d:?\d\d$/.test(value) || !value.includes("T")
  return new Date(zoned ? value : `${value}Z`)
}
