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
 * | `parents:<segment>` | set   | ids of parents that may remember tasks ended in it       | they have ended, its segment |
 * | `kept`             | zset   | segment without live tasks → when the janitor drops it   | member: dropped              |
 * | `held:<worker>`    | set    | entries a worker incarnation has claimed                 | empty                        |
 * | `running`          | hash   | entry → JSON note of a run that has lasted over 100 ms   | field: the run ends          |
 * | `workers`          | zset   | worker incarnation → lease deadline                      | member: left or reaped       |
 * | `later`            | zset   | entry → due time; `!<id>`, `#<id>`: expiry and deadline  | member: due, or its task ends |
 * | `dead`             | zset   | id of a dead letter → time of death                      | member: purged or too old    |
 * | `letters`          | hash   | id → record of a dead letter                             | with its member of `dead`    |
 * | `bell`             | list   | at most one token; idle workers block on it              | popped                       |
 * | `standby`          | zset   | worker that may be handed a new task → since when        | member: handed, takes a turn |
 * | `events:<id>`      | stream | `<run>-<seq>` → progress, logs and chunks of a task      | retention after the end      |
 * | `watched`          | hash   | id → reply channels of those who follow a live task      | field: the task ends         |
 * | `segments`         | zset   | segments with records, all of score 0                    | member: its segment goes     |
 * | `boxes`            | hash   | box → its limit, `o` when ordered, `r` while in its ring | field: no work, no run       |
 * | `box:<box>`        | list   | entries waiting in a box, oldest left                    | empty                        |
 * | `taken:<box>`      | zset   | entries that take up its room → rank in their claim      | empty                        |
 * | `ready:<ring>`     | list   | boxes of a ring with work and room, the next one left    | empty                        |
 * | `rings`            | zset   | ring with limits → when it may be asked for              | member: its ring is empty    |
 * | `pausedKeys`       | set    | keys, and `~<address>` of agents, that hand out nothing  | member: resumed              |
 * | `suspects`         | list   | entries of tasks that two workers died with              | empty                        |
 * | `ties`             | hash   | id → lines: what is to be tidied at the task's end       | field: the task ends         |
 * | `steps:<id>`       | hash   | number → name and JSON of what a task's runs remember    | the task ends                |
 * | `children:<id>`    | set    | ids of a task's living children                          | the task ends                |
 * | `awaited:<id>`     | set    | those of them that it waits for; `!` when it is hasty    | they have, the task ends     |
 * | `waiting`          | hash   | id → entry that runs when its children have ended        | field: they have             |
 * | `outbox`           | list   | messages for tasks of this and other partitions          | relayed                      |
 * | `guard:<kind>:<…>` | string | id, and a hash of the input: what a second submit finds  | its rule ends                |
 * | `orphan:<id>`      | string | retention and error: ends a child that comes too late    | it comes, or after a minute  |
 * | `control`          | hash   | what operators set: paused, bounds                       | field: unset                 |
 * | `about`            | hash   | worker incarnation → JSON of what it says of itself      | field: left or reaped        |
 * | `sizes`            | hash   | segment of `kept` → bytes; `total`; measured `upTo` when | nobody bounds them           |
 * | `stat:<minute>`    | hash   | counter → count in a minute since 1970                   | two hours later              |
 * | `queues`           | zset   | partition → when it was noted last                       | nobody notes one for long    |
 * | `nodes`            | zset   | node → lease deadline                                    | member: left, or long silent |
 * | `nodeAbout`        | hash   | node → JSON of what it says of itself                    | with its member of `nodes`   |
 * | `nodesDraining`    | set    | nodes that are asked to stop all they run                | with its member of `nodes`   |
 * | `reply:<process>`  | –      | channel (sharded pub/sub): ids that have news            | nothing is stored            |
 * | `limit:<name>`     | hash   | a limit's uses of late, its pause's end, and its line     | none counts any more         |
 * | `permits:<name>`   | zset   | permit of a limited number at once → lease deadline      | an hour after the last lease |
 * | `corrected:<name>` | zset   | permit of a rate that was corrected → until when         | the last one's time is over  |
 * | `schedules`        | hash   | id → version and text of a schedule                      | field: deleted, or long over |
 * | `scheduleIds`      | zset   | ids of schedules, all of score 0                         | with its field               |
 * | `scheduleTimes`    | zset   | id of a schedule → when it is to be looked at            | member: paused, or gone      |
 * | `slots:<id>`       | list   | what became of a schedule's last slots, newest left      | with its field               |
 * | `agent:<address>`  | hash   | state, version, revision, quarantine, timers of an agent | it is stopped                |
 * | `agents`           | zset   | addresses of agents with a hash, all of score 0          | member: with its hash        |
 * | `lifecycle`        | stream | `<epoch>-<n>` → what became of tasks, while listened to  | nobody listens any more      |
 * | `lives`            | –      | channel: there is something new in `lifecycle`           | nothing is stored            |
 * | `orders:<worker>`  | –      | channel: entries to stop, a task to run, and `drain`     | nothing is stored            |
 * | `access`           | hash   | id → JSON of an access key; `salt`                       | field: a while after its end |
 * | `ticket:<digest>`  | string | JSON of what a ticket is good for                        | taken, or after seconds      |
 * | `rate:<key>`       | hash   | what is left of a key's requests, and since when         | all of it is there again     |
 * | `audit`            | stream | JSON of what operators did, and whose it is              | entry: after a year          |
 * | `auditShares`      | zset   | tenant → how many entries of `audit` are its             | a year after the newest      |
 * | `audited:<tenant>` | list   | their ids, the oldest left                               | a year after its newest      |
 */
import { lanes, type Partition } from "./task.ts"

const fixed = [
  "live",
  "kept",
  "running",
  "workers",
  "later",
  "dead",
  "letters",
  "bell",
  "standby",
  "watched",
  "segments",
  "boxes",
  "rings",
  "pausedKeys",
  "suspects",
  "agents",
  "ties",
  "waiting",
  "outbox",
  "control",
  "about",
  "sizes",
  "queues",
  "nodes",
  "nodeAbout",
  "nodesDraining",
  "schedules",
  "scheduleIds",
  "scheduleTimes",
  "access",
  "audit",
  "auditShares",
  "lifecycle",
  "lives"
] as const
const families = [
  "lane",
  "task",
  "held",
  "events",
  "reply",
  "box",
  "taken",
  "ready",
  "steps",
  "children",
  "awaited",
  "parents",
  "guard",
  "orphan",
  "stat",
  "orders",
  "limit",
  "permits",
  "corrected",
  "agent",
  "slots",
  "ticket",
  "rate",
  "audited"
] as const

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
 * The same table as Lua source, put before all scripts: `keys_of(base)` is what a script calls `key`, so that it has
 * `key.live`, `key.task(segment)`, and so on. Names are made when they are first asked for, and kept for the next call.
 */
export const luaKeys = `
local lanes = { ${lanes.map((lane) => `"${lane}"`).join(", ")} }
local families = { ${families.map((family) => `${family} = true`).join(", ")} }
local kept, kept_count, kept_max = {}, 0, 1000

local function keys_of(base)
  if kept[base] then
    return kept[base]
  end
  -- A stranger may ask for tasks of ever new queues.
  if kept_count == kept_max then
    kept, kept_count = {}, 0
  end
  kept_count = kept_count + 1
  kept[base] = setmetatable({}, { __index = function(names, name)
    local made = families[name] and function(member) return base .. name .. ":" .. member end or base .. name
    rawset(names, name, made)
    return made
  end })
  return kept[base]
end
`

/** A pattern of all keys of a namespace, for commands that take one. */
export const patternOf = (namespace: string): string => `${namespace.replaceAll(/[\\*?[\]]/g, "\\$&")}:{*`

/**
 * The two keys of a collection of vectors, where these are kept in a Redis: a vector set, and a hash that says what it holds.
 * They are no task's, no script touches them, and they go when the collection is deleted.
 */
export const vectorKeys = (namespace: string, tenant: string, collection: string) => {
  const base = `${namespace}:vectors:{${tenant}/${collection}}`
  return { items: `${base}:items`, about: `${base}:about` }
}
