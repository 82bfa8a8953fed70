/** A service as one tenant has it: whatever it does is done for that tenant, whoever calls it. */
import { Effect, Stream } from "effect"
import { Tenant } from "../../runtime/tenant.ts"

const isService = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** The same service, for a tenant: its effects and streams, and those that its functions give. */
export const actingFor = <Service>(service: Service, tenant: string): Service => {
  const acting = (value: unknown): unknown => {
    if (Effect.isEffect(value)) return Effect.provideService(value, Tenant, tenant)
    if (Stream.isStream(value)) return Stream.provideService(value, Tenant, tenant)
    if (typeof value === "function") {
      return (...args: ReadonlyArray<unknown>) =>
        acting((value as (...args: ReadonlyArray<unknown>) => unknown)(...args))
    }
    return isService(value)
      ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, acting(part)]))
      : value
  }
  // It has the shape of what it was made of.
  return acting(service) as Service
}
