/** The small values that answers are made of. */
import { Schema } from "effect"

/** A time in ISO 8601, in UTC. */
export const Instant = Schema.String.annotate({ format: "date-time" })

/** How many, or how many milliseconds. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
