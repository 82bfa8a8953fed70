/** What Oban.insert in a Repo.transaction was: the order and its task are committed together, and relayed afterwards. */
import type { Database } from "bun:sqlite"
import { defineTask, Snooze, type Troupe } from "troupe"
import { z } from "zod"

// use Oban.Worker, queue: :orders, max_attempts: 20, unique: [period: 3600, keys: [:order]]
export const ship = defineTask({
  name: "orders.ship",
  queue: "orders",
  input: z.object({ order: z.int(), paid: z.boolean() }),
  retry: { attempts: 20, backoff: (failed) => (15 + 2 ** Math.min(failed, 10)) * 1_000 },
  run({ order, paid }) {
    if (!paid) throw new Snooze("1 hour") // {:snooze, 3600}
    return { shipped: order } // {:ok, …}
  }
})

// No id of the outbox may come twice: the tasks go by it.
export const tables = `
  create table if not exists orders (id integer primary key, item text not null);
  create table if not exists outbox (
    id integer primary key autoincrement, name text not null, input text not null, due text, refused text);`

/** The order and what is to be done about it, or neither. */
export const place = (db: Database, item: string): number =>
  db.transaction(() => {
    const { id } = db.query("insert into orders (item) values (?) returning id").get(item) as { id: number }
    const input = JSON.stringify({ order: id, paid: true })
    db.run("insert into outbox (name, input) values (?, ?)", [ship.name, input])
    return id
  })()

/** Hands on what is committed; say it every second. One that dies before it deletes hands on the same tasks again. */
export const relay = async (db: Database, troupe: Troupe): Promise<void> => {
  const rows = db
    .query("select id, name, input, due from outbox where refused is null order by id limit 500")
    .all() as Array<{ id: number; name: string; input: string; due: string | null }>
  const settled = await troupe.submitAll(
    rows.map(({ due, id, input, name }) => ({
      task: name,
      input: JSON.parse(input) as unknown,
      idempotencyKey: `outbox-${id}`,
      ...(due === null ? {} : { runAt: due })
    }))
  )
  for (const [at, one] of settled.entries()) {
    const { id } = rows[at]!
    if (one.status === "fulfilled") db.run("delete from outbox where id = ?", [id])
    // A queue has room again, or a worker; anything else is for somebody to look at.
    else if (one.reason._tag !== "QueueFull" && one.reason._tag !== "NoWorker")
      db.run("update outbox set refused = ? where id = ?", [one.reason.message, id])
  }
}
