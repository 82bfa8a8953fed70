/** Receives callbacks: takes only what Troupe has signed lately, and each message once. */
import { Webhook, WebhookVerificationError } from "standardwebhooks"

/** The secret of `TROUPE_WEBHOOK_SECRETS`, and what is to be done with a message. */
export const receiver = (
  secret: string,
  take: (message: { type: string; data: unknown }) => Promise<void>
) => {
  const webhook = new Webhook(secret)
  // A message may come again, also while it is being taken: a real receiver keeps these where it keeps what it does with them.
  const taken = new Map<string, Promise<void>>()

  return async (request: Request): Promise<Response> => {
    // The signature is of the body as it was sent: read it as text, and parse it afterwards.
    const body = await request.text()
    try {
      const message = webhook.verify(body, Object.fromEntries(request.headers)) as {
        type: string
        data: unknown
      }
      const id = request.headers.get("webhook-id")!
      const taking = taken.get(id) ?? take(message)
      taken.set(id, taking)
      await taking.catch((error: unknown) => {
        taken.delete(id)
        throw error
      })
      return new Response(null, { status: 204 })
    } catch (error) {
      return new Response(null, { status: error instanceof WebhookVerificationError ? 401 : 500 })
    }
  }
}
