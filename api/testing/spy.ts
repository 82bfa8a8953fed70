/**
 * Sees what the handlers of a test are given and how they end, and which of them run now.
 *
 * A definition is watched by one that does the same; the task's own record says nothing of it.
 */
import { Cause, Effect, Exit, Layer } from "effect"
import { Suspended } from "../../actors/work/recall.ts"
import {
  type AgentBody,
  type Attempt,
  type Body,
  CurrentTask,
  type MessageSpec,
  type TaskDefinition
} from "../../runtime/handler.ts"
import type { TaskId } from "../../runtime/task.ts"
import { type RunKey, runKey, RunOfFiber } from "./clock.ts"

/** One run of a handler, as it was seen. Times are the test clock's, in Unix milliseconds. */
export interface HandlerRun<Input = unknown, Output = unknown> {
  readonly id: TaskId
  /** 1 on the first run of the task. */
  readonly attempt: number
  /** Of an agent, what message it handles. */
  readonly message?: string
  /** What the handler was given. */
  readonly input: Input
  readonly startedAt: number
  /** Not there while it runs. */
  readonly finishedAt?: number
  /**
   * `returned` with `output`, `threw` with `error`, `suspended` to wait for children, or `interrupted`. Of a batch, how
   * its call ended.
   */
  readonly ended?: "returned" | "threw" | "suspended" | "interrupted"
  readonly output?: Output
  readonly error?: unknown
}

type Ended = Pick<HandlerRun, "ended" | "output" | "error">

export interface Spy {
  /** The same handler, watched. */
  readonly watch: (definition: TaskDefinition) => TaskDefinition
  /** All runs of the handler of this name, in the order of their starts. */
  readonly runs: (name: string) => ReadonlyArray<HandlerRun>
  /** Those that have started and not ended, and the layers that are being built for handlers. */
  readonly running: () => Iterable<RunKey>
}

type AnyLayer = NonNullable<AgentBody["layer"]>

export interface SpyOptions {
  readonly now: () => number
  /** Called whenever a run has ended. */
  readonly onEnd: () => void
}

const thrown = (error: unknown): Ended =>
  error instanceof Suspended ? { ended: "suspended" } : { ended: "threw", error }

const endedBy = (exit: Exit.Exit<unknown, unknown>): Ended => {
  if (Exit.isSuccess(exit)) return { ended: "returned", output: exit.value }
  return Cause.hasInterruptsOnly(exit.cause) ? { ended: "interrupted" } : thrown(Cause.squash(exit.cause))
}

export const makeSpy = ({ now, onEnd }: SpyOptions): Spy => {
  const runs = new Map<string, Array<HandlerRun>>()
  const running = new Set<RunKey>()
  const watched = new WeakMap<TaskDefinition, TaskDefinition>()

  /** Notes that a run has started, and gives what notes its end. */
  const start = (
    name: string,
    { attempt, task }: Pick<Attempt, "task" | "attempt">,
    seen: Pick<HandlerRun, "input" | "message">
  ) => {
    const all = runs.get(name) ?? []
    runs.set(name, all)
    const key = runKey(task.id, attempt)
    const at = all.push({ id: task.id, attempt, ...seen, startedAt: now() }) - 1
    running.add(key)
    const end = (ended: Ended) => {
      running.delete(key)
      all[at] = { ...all[at]!, finishedAt: now(), ...ended }
      onEnd()
    }
    return { key, end }
  }

  /** Does `run`, whether it is async or not, and tells how it ended. */
  const through = (run: () => unknown, end: (ended: Ended) => void): unknown => {
    const failed = (error: unknown): never => {
      end(thrown(error))
      throw error
    }
    const returned = (output: unknown) => {
      end({ ended: "returned", output })
      return output
    }
    try {
      const result = run()
      if (result instanceof Promise) return result.then(returned, failed)
      return returned(result)
    } catch (error) {
      return failed(error)
    }
  }

  /** The same for a run in effects. */
  const throughEffect = <A, E, R>(run: Effect.Effect<A, E, R>, { end, key }: ReturnType<typeof start>) =>
    Effect.onExit(Effect.provideService(run, RunOfFiber, key), (exit) =>
      Effect.sync(() => end(endedBy(exit)))
    )

  const layers = new WeakMap<AnyLayer, AnyLayer>()
  let layersSeen = 0
  /** The same layer; while it is built, it is waited for as a handler is that runs. */
  const layerOf = (layer: AnyLayer | undefined): AnyLayer | undefined => {
    if (layer === undefined) return undefined
    const there = layers.get(layer)
    if (there !== undefined) return there
    const key: RunKey = `layer#${++layersSeen}`
    const ended = Effect.sync(() => {
      running.delete(key)
      onEnd()
    })
    const watched: AnyLayer = Layer.fromBuild((memoMap, scope) =>
      Effect.suspend(() => {
        running.add(key)
        return Layer.buildWithMemoMap(layer, memoMap, scope)
      }).pipe(
        Effect.provideService(RunOfFiber, key),
        Effect.onExit(() => ended)
      )
    )
    layers.set(layer, watched)
    return watched
  }

  const messageOf = (name: string, message: string, spec: MessageSpec): MessageSpec => ({
    ...spec,
    handle: (input: unknown, ctx: Attempt) => {
      const started = start(name, ctx, { message, input })
      return spec.inEffects
        ? throughEffect(spec.handle(input, ctx) as Effect.Effect<unknown, unknown>, started)
        : through(() => spec.handle(input, ctx), started.end)
    }
  })

  const bodyOf = (name: string, body: Body): Body => {
    switch (body.kind) {
      case "plain":
        return {
          ...body,
          run: (input: unknown, ctx) => through(() => body.run(input, ctx), start(name, ctx, { input }).end)
        }
      case "batch":
        return {
          ...body,
          runAll: (items, ctx) => {
            const ends = items.map((item) => start(name, item, { input: item.input }).end)
            return through(
              () => body.runAll(items, ctx),
              (ended) => {
                const outputs = Array.isArray(ended.output) ? ended.output : []
                for (const [at, end] of ends.entries())
                  end(ended.ended === "returned" ? { ended: ended.ended, output: outputs[at] } : ended)
              }
            )
          }
        }
      case "effect":
        return {
          ...body,
          layer: layerOf(body.layer),
          run: (input: unknown) =>
            Effect.flatMap(CurrentTask, (task) =>
              throughEffect(body.run(input), start(name, task, { input }))
            )
        }
      case "agent": {
        const messages = [...body.messages].map(
          ([message, spec]) => [message, messageOf(name, message, spec)] as const
        )
        return { ...body, layer: layerOf(body.layer), messages: new Map(messages) }
      }
    }
  }

  return {
    watch: (definition) => {
      const there = watched.get(definition)
      if (there !== undefined) return there
      // A process of its own would see nothing of the test, and the test nothing of it.
      const fresh = { ...definition, isolation: undefined, body: bodyOf(definition.name, definition.body) }
      watched.set(definition, fresh)
      watched.set(fresh, fresh)
      return fresh
    },
    runs: (name) => [...(runs.get(name) ?? [])],
    running: () => running
  }
}
