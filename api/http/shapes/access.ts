/** Keys, tickets and the audit log as the API shows them. */
import { Schema } from "effect"
import { Rate } from "../../../runtime/access.ts"
import { Role, scopes } from "../../../runtime/roles.ts"
import { Instant } from "./scalar.ts"

export const KeyShape = Schema.Struct({
  id: Schema.String,
  tenant: Schema.String,
  role: Role,
  state: Schema.Literals(["counts", "revoked", "expired"]),
  label: Schema.optionalKey(Schema.String),
  rate: Schema.optionalKey(Rate),
  createdAt: Instant,
  rotatedAt: Schema.optionalKey(Instant),
  overlapsUntil: Schema.optionalKey(Instant),
  expiresAt: Schema.optionalKey(Instant),
  revokedAt: Schema.optionalKey(Instant)
}).annotate({ identifier: "Key" })

export const CallerShape = Schema.Struct({
  tenant: Schema.String,
  role: Role,
  /** What routes may ask of it. */
  may: Schema.Array(Schema.Literals(scopes)),
  /** The id of its key; absent where none is needed. */
  key: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Caller" })

export const KeyList = Schema.Struct({ keys: Schema.Array(KeyShape) }).annotate({ identifier: "KeyPage" })

/** The only time a key is told. */
export const MadeKeyShape = Schema.Struct({
  id: Schema.String,
  key: Schema.String,
  tenant: Schema.String,
  role: Role,
  overlapsUntil: Schema.optionalKey(Instant)
}).annotate({ identifier: "MadeKey" })

export const TicketShape = Schema.Struct({ ticket: Schema.String, expiresAt: Instant }).annotate({
  identifier: "Ticket"
})

export const AuditList = Schema.Struct({
  entries: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      at: Instant,
      tenant: Schema.String,
      who: Schema.String,
      role: Role,
      what: Schema.String,
      on: Schema.String,
      outcome: Schema.String,
      request: Schema.optionalKey(Schema.String)
    })
  ),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AuditPage" })
