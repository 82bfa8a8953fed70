/** Keys: who may do what. A key is told once, when it is made or rotated. */
import { Effect, Schema } from "effect"
import { Gate } from "../../../actors/access/gate.ts"
import { KeyOperator, NewKey, Rotation } from "../../../actors/access/keys.ts"
import { keyJson, madeKeyJson } from "../access-view.ts"
import { readJson, readJsonIfAny } from "../body.ts"
import { callerOf } from "../caller.ts"
import type { Serve } from "../mount.ts"
import { ofBody, row } from "../row.ts"
import { inBody } from "../selection.ts"
import { KeyList, KeyShape, MadeKeyShape } from "../shapes/access.ts"

const group = "Keys"
const needs = "admin"
const reach = "tenant"
const parts = { key: { schema: Schema.String, example: "8k2m4q6t0v1x" } } as const

/** Nobody on the way may keep a key. */
const unkept = { "cache-control": "no-store" }

export const rows = {
  list: row({
    name: "listKeys",
    method: "GET",
    path: "/v1/keys",
    group,
    summary: "Shows the keys of the caller's tenant; to an admin of the tenant default, all",
    needs,
    reach,
    answers: { 200: { description: "The keys, without what proves them", schema: KeyList } },
    problems: ["StoreError"]
  }),
  create: row({
    name: "createKey",
    method: "POST",
    path: "/v1/keys",
    group,
    summary: "Makes a key, and tells it this once",
    needs,
    reach,
    body: { schema: NewKey.annotate({ identifier: "NewKey" }), example: { role: "submit", label: "shop" } },
    answers: { 201: { description: "The key", schema: MadeKeyShape } },
    problems: [...ofBody, "KeysFull", "StoreError"]
  }),
  rotate: row({
    name: "rotateKey",
    method: "POST",
    path: "/v1/keys/:key/rotate",
    group,
    summary: "Gives a key another secret; the earlier one goes on for an overlap",
    needs,
    reach,
    parts,
    body: { schema: Rotation, optional: true, example: { overlapMs: 3_600_000 } },
    answers: { 200: { description: "The key with its new secret", schema: MadeKeyShape } },
    problems: [...ofBody, "KeyNotFound", "KeyOver", "KeysFull", "StoreError"]
  }),
  revoke: row({
    name: "revokeKey",
    method: "DELETE",
    path: "/v1/keys/:key",
    group,
    summary: "Ends a key for good",
    needs,
    reach,
    parts,
    answers: {
      200: { description: "The key, which no process takes any more after a second", schema: KeyShape }
    },
    problems: ["KeyNotFound", "StoreError"]
  })
}

export const keys = (serve: Serve) => {
  serve(
    rows.list,
    Effect.fnUntraced(function* (c) {
      const all = yield* KeyOperator.use((keys) => keys.list(callerOf(c)))
      return c.json({ keys: all.map(keyJson) }, 200, unkept)
    })
  )
  serve(
    rows.create,
    Effect.fnUntraced(function* (c) {
      const given = yield* readJson(c.req.raw)
      const made = yield* inBody(KeyOperator.use((keys) => keys.create(callerOf(c), given)))
      yield* Gate.use((gate) => gate.madeKey)
      return c.json(madeKeyJson(made), 201, unkept)
    })
  )
  serve(
    rows.rotate,
    Effect.fnUntraced(function* (c) {
      const given = yield* readJsonIfAny(c.req.raw)
      const id = c.req.param("key") ?? ""
      const made = yield* inBody(KeyOperator.use((keys) => keys.rotate(callerOf(c), id, given)))
      return c.json(madeKeyJson(made), 200, unkept)
    })
  )
  serve(
    rows.revoke,
    Effect.fnUntraced(function* (c) {
      const id = c.req.param("key") ?? ""
      return c.json(keyJson(yield* KeyOperator.use((keys) => keys.revoke(callerOf(c), id))), 200, unkept)
    })
  )
}
