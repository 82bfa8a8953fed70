/**
 * The network that handlers' requests see: public addresses and those of `TROUPE_NETWORKS`, and of the hosts those that
 * `TROUPE_HOSTS` allows and `TROUPE_HOSTS_DENIED` does not forbid. Part of the layer of every handler that sends requests.
 */
import { Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { allowsHost } from "../../runtime/network/hosts.ts"
import { Network, withNetworks } from "../../runtime/network/network.ts"

export const guardedNetwork = Layer.effect(
  Network,
  Effect.gen(function* () {
    const { hosts, hostsDenied, networks } = yield* Settings
    const rules = { allowed: hosts, denied: hostsDenied }
    return {
      ...withNetworks(yield* Network, networks),
      allowsHost: (host: string) => allowsHost(rules, host)
    }
  })
)
