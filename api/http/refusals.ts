/** Why the edge itself refuses a request, before or after anybody inside was asked: one class for each answer. */
import { Schema } from "effect"
import { Fault } from "../../runtime/handler.ts"
import { Role, scopes } from "../../runtime/roles.ts"

/** The body is not JSON in UTF-8. Correct it and send it again: nothing was read of it. */
export class BodyMalformed extends Schema.TaggedError<BodyMalformed>()("BodyMalformed", {
  reason: Schema.String
}) {
  override get message() {
    return `the body cannot be read: ${this.reason}`
  }
}

/** The body is JSON, but not what is asked for here. `faults` says what to mend, and where. */
export class BodyRefused extends Schema.TaggedError<BodyRefused>()("BodyRefused", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path === "" ? "the body" : path}: ${message}`).join("; ")
  }
}

/** The body has more bytes than are read here. Send less. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  bytesMax: Schema.Int
}) {
  override get message() {
    return `the body has more than ${this.bytesMax} bytes`
  }
}

/** The body is of a kind that is not read here. */
export class MediaTypeRefused extends Schema.TaggedError<MediaTypeRefused>()("MediaTypeRefused", {
  header: Schema.Literals(["content-type", "content-encoding"]),
  given: Schema.String,
  wanted: Schema.String
}) {
  override get message() {
    return `${this.header} is ${this.given === "" ? "missing" : `"${this.given}"`}; send ${this.wanted}`
  }
}

/** A parameter of the address or a header cannot be what it is. */
export class ParameterInvalid extends Schema.TaggedError<ParameterInvalid>()("ParameterInvalid", {
  parameter: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.parameter} ${this.reason}`
  }
}

/** The task's input was too large to be kept after its end. */
export class InputNotKept extends Schema.TaggedError<InputNotKept>()("InputNotKept", { id: Schema.String }) {
  override get message() {
    return `the input of ${this.id} was not kept after its end`
  }
}

/** This process should not be sent requests now. `faults` names each check that did not pass, and why. */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path}: ${message}`).join("; ")
  }
}

/** This process is going away and takes no new tasks; nothing was stored. Ask another one. */
export class GoingAway extends Schema.TaggedError<GoingAway>()("GoingAway", {}) {
  override get message() {
    return "this process is going away; another one takes the task"
  }
}

/** The body came too slowly. Send it again, at once: nothing was stored. */
export class BodyTooSlow extends Schema.TaggedError<BodyTooSlow>()("BodyTooSlow", {
  waitedMs: Schema.Finite
}) {
  override get message() {
    return `the body had not come after ${this.waitedMs} ms`
  }
}

/** The key that was shown may not do this. Show another one, of one of these roles, or of this tenant. */
export class NotAllowed extends Schema.TaggedError<NotAllowed>()("NotAllowed", {
  needs: Schema.Literals(scopes),
  roles: Schema.Array(Role),
  tenant: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return this.tenant === undefined
      ? `this takes a key of the role ${this.roles.join(" or ")}`
      : `this is about everybody's tasks, and takes a key of the tenant ${this.tenant}`
  }
}

/** This address speaks the web socket protocol. Ask it with a client of that. */
export class UpgradeNeeded extends Schema.TaggedError<UpgradeNeeded>()("UpgradeNeeded", {}) {
  override get message() {
    return "ask with a web socket client: Connection: Upgrade, Upgrade: websocket"
  }
}
