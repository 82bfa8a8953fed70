/**
 * The secrets that callbacks are signed with, by tenant, in the form of the Standard Webhooks scheme.
 *
 * A tenant has those that are said for it, or else those that are said for nobody. All of them sign, so that a receiver
 * may change from one to the next at its own time.
 */
import { Redacted, Result } from "effect"
import { createHmac } from "node:crypto"

export interface WebhookSecrets {
  /** Whether a tenant has any. */
  readonly has: (tenant: string) => boolean
  /** `webhook-signature` of a message: one signature for each secret, blanks between them. */
  readonly sign: (tenant: string, id: string, timestamp: number, body: string) => string
}

const item = /^(?:([a-z0-9][a-z0-9_-]{0,62})=)?whsec_([A-Za-z0-9+/]+={0,2})$/

/** The scheme asks for 24 to 64 bytes. */
const bytesMin = 24
const bytesMax = 64

/**
 * Secrets as the setting has them: `whsec_<base64>`, or `tenant=whsec_<base64>`, with commas between them. What is wrong
 * is told without any part of a secret.
 */
export const readWebhookSecrets = (
  value: string
): Result.Result<Redacted.Redacted<WebhookSecrets>, string> => {
  const byTenant = new Map<string, Array<Buffer>>()
  for (const [at, part] of value.split(",").entries()) {
    const [whole, tenant = "", text = ""] = item.exec(part.trim()) ?? []
    const secret = Buffer.from(text, "base64")
    if (whole === undefined || secret.length < bytesMin || secret.length > bytesMax) {
      return Result.fail(
        `secret ${at + 1} is neither whsec_ and the base64 of ${bytesMin} to ${bytesMax} bytes, as in whsec_$(openssl rand -base64 32), nor tenant=whsec_…`
      )
    }
    byTenant.set(tenant, [...(byTenant.get(tenant) ?? []), secret])
  }
  const secretsOf = (tenant: string) => byTenant.get(tenant) ?? byTenant.get("") ?? []
  const secrets: WebhookSecrets = {
    has: (tenant) => secretsOf(tenant).length > 0,
    sign: (tenant, id, timestamp, body) =>
      secretsOf(tenant)
        .map((secret) => createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64"))
        .map((signature) => `v1,${signature}`)
        .join(" ")
  }
  return Result.succeed(Redacted.make(secrets))
}
