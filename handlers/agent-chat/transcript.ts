/** A conversation as people read it, in Markdown. */
import type { Chat } from "./state.ts"

export const transcript = (key: string, { asked, turns }: Pick<Chat, "asked" | "turns">): string => {
  const missing = asked - turns.length
  return [
    `# ${key}`,
    ...(missing === 0 ? [] : [`*The first ${missing} turns are not kept any more.*`]),
    ...turns.flatMap(({ answer, at, citations = [], number, question }) => [
      `## ${number}. ${new Date(at).toISOString()}`,
      question
        .split("\n")
        .map((line) => `> ${line}`)
        .join("\n"),
      answer,
      ...(citations.length === 0
        ? []
        : [citations.map(({ page, title }) => `- ${title}, page ${page}`).join("\n")])
    ])
  ].join("\n\n")
}
