/** What a server says of itself (`INFO`), field by field. */

/** The field of a name, as the server wrote it; `undefined` where it says nothing of it. */
export const infoFields =
  (info: string) =>
  (name: string): string | undefined =>
    new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1]
