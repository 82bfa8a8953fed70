/**
 * Every Redis key the product writes.
 *
 * The keys of one partition start with its base, `<namespace>:{<queue>.<partition>}:`, and so share a hash tag:
 * they live in one cluster slot and one Lua script may touch any of them. A script is given the base as its only
 * `KEYS`; the names below are handed to every script as the Lua table `key`, so that no name is written twice,
 * in TypeScript or in Lua. In the table, an entry is `<ULID><lane><run>` (`runtime/task.ts`), an id is the ULID
 * alone, and times are Unix milliseconds on Redis's clock.
 *
 * | key                | type   | holds                                                    | goes when                    |
 * | ------------------ | ------ | -------------------------------------------------------- | ---------------------------- |
 * | `lane:<lane>`      | list   | entries waiting, oldest left                             | empty                        |
 * | `task:<segment>`   | hash   | id → record                                              | retention after its last end |
 * | `live`             | hash   | segment → how many of its tasks have not ended           | field: at 0                  |
 * | `kept`             | zset   | segment without live tasks → when the janitor drops it   | member: dropped              |
 * | `held:<worker>`    | set    | entries a worker incarnation has claimed                 | empty                        |
 * | `running`          | hash   | entry → JSON note of a run that has lasted over 100 ms   | field: the run ends          |
 * | `workers`          | zset   | worker incarnation → lease deadline                      | member: left or reaped       |
 * | `later`            | zset   | entry → due time: delayed tasks and retries              | member: due                  |
 * | `dead`             | zset   | id of a dead letter → time of death                      | member: purged or too old    |
 * | `letters`          | hash   | id → record of a dead letter                             | with its member of `dead`    |
 * | `bell`             | list   | at most one token; idle workers block on it              | popped                       |
 * | `events:<id>`      | stream | `<run>-<seq>` → progress, logs and chunks of a task      | retention after the end      |
 * | `watched`          | hash   | id → reply channels of those who follow a live task      | field: the task ends         |
 * | `reply:<process>`  | –      | channel (sharded pub/sub): ids that have news            | nothing is stored            |
 */
import { lanes, type Partition } from "./task.ts"

const fixed = ["live", "kept", "running", "workers", "later", "dead", "letters", "bell", "watched"] as const
const families = ["lane", "task", "held", "events", "reply"] as const

export type PartitionKeys = { readonly base: string } & {
  readonly [name in (typeof fixed)[number]]: string
} & { readonly [name in (typeof families)[number]]: (member: string) => string }

/** The keys of a partition, for commands that are not scripts. */
export const partitionKeys = (namespace: string, partition: Partition): PartitionKeys => {
  const base = `${namespace}:{${partition}}:`
  return Object.fromEntries([
    ["base", base],
    ...fixed.map((name) => [name, base + name]),
    ...families.map((family) => [family, (member: string) => `${base}${family}:${member}`])
  ]) as PartitionKeys
}

/**
 * The same table as Lua source, put before every script: `key.live`, `key.task(segment)`, and so on. Most calls of a
 * script name a few of them, so the names are made when they are asked for.
 */
export const luaKeys = [
  "local base = KEYS[1]",
  `local families = { ${families.map((family) => `${family} = true`).join(", ")} }`,
  "local key = setmetatable({}, { __index = function(names, name)",
  "  local made = families[name] and function(member) return base .. name .. ':' .. member end or base .. name",
  "  rawset(names, name, made)",
  "  return made",
  "end })",
  `local lanes = { ${lanes.map((lane) => `'${lane}'`).join(", ")} }`
].join("\n")
