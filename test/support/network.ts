/** A network for tests: servers of this machine, under names that only the test knows. */
import { Effect } from "effect"
import { Network, type NetworkShape } from "../../runtime/network/network.ts"

/** Runs an effect where every name leads to 127.0.0.1, which is the one address that is allowed. */
export const onLoopback = (over: Partial<NetworkShape> = {}) =>
  Effect.provideService(Network, {
    allows: (address) => address === "127.0.0.1",
    resolve: (host) => Promise.resolve([/^[\d.]+$|:/.test(host) ? host : "127.0.0.1"]),
    ...over
  })

/** A server on a free port of 127.0.0.1 that closes with the test; `seen` holds the URLs it was asked for. */
export const localServer = (
  fetch: (request: Request) => Response | Promise<Response>,
  options: { readonly tls?: Bun.TLSOptions } = {}
) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const seen: Array<string> = []
        const server = Bun.serve({
          ...options,
          port: 0,
          hostname: "127.0.0.1",
          idleTimeout: 0,
          fetch: (request) => {
            seen.push(request.url)
            return fetch(request)
          }
        })
        return { server, seen }
      }),
      ({ server }) => Effect.promise(() => server.stop(true))
    ),
    ({ seen, server }) => ({ port: server.port!, seen })
  )
