/** Where the Redis of a bench listens, as drivers want to be told it. */
export const addressOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}
