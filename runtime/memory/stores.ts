/** Everything that is stored, in the memory of this process. Nothing survives it. */
import { Layer } from "effect"
import * as Heap from "./heap.ts"
import * as Store from "./store.ts"

export const layer = Store.layer.pipe(Layer.provide(Heap.layer))
