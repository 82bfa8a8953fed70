declare module "cluster-key-slot" {
  /** The hash slot of a key of a Redis Cluster. */
  export default function keySlot(key: string): number
}
