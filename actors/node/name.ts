/** What the node of this process is called: a worker and the node that supervises it say the same. */
import { hostname } from "node:os"
import type { NodeName } from "../../runtime/members.ts"

/** The name of the node whose process has this id. */
export const nodeOf = (pid: number): NodeName => `${hostname().replaceAll(/[^A-Za-z0-9.-]/g, "-")}-${pid}`

/** The node that supervises this process; one that nobody supervises is its own. */
export const nodeName = (): NodeName => nodeOf(process.send === undefined ? process.pid : process.ppid)
