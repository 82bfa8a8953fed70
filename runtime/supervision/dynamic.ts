/**
 * A supervisor of children that are all made alike, as many as are asked for: OTP's `simple_one_for_one`.
 *
 * Each is started, watched and started again by itself. One that has ended for good, or was terminated, is forgotten; so
 * there is nothing to restart or delete by hand. They depend on each other in no order and stop side by side.
 */
import { Effect, type Scope } from "effect"
import { supervise } from "./engine.ts"
import {
  type ChildKnown,
  type ChildNotStarted,
  type ChildrenFull,
  NoSuchChild,
  type SupervisorEnded
} from "./errors.ts"
import { type ChildSpec, planOf, plannedChild, type SpecInvalid, type SupervisorOptions } from "./spec.ts"
import { overview, type Overview, startNew } from "./supervisor.ts"

export interface DynamicSupervisor<A, R = never> extends Overview {
  /** Makes a child and starts it. Gives its id. One that cannot be started is not kept. */
  readonly startChild: (
    argument: A
  ) => Effect.Effect<string, SpecInvalid | ChildKnown | ChildrenFull | ChildNotStarted | SupervisorEnded, R>
  /** Stops a child and forgets it. */
  readonly terminateChild: (id: string) => Effect.Effect<void, NoSuchChild | SupervisorEnded>
}

export interface DynamicOptions<A, R = Scope.Scope> extends SupervisorOptions {
  /** How a child is made of what `startChild` is given. Without an id it gets a number: `#1`. */
  readonly child: (argument: A) => Omit<ChildSpec<R>, "id"> & { readonly id?: string }
}

/** Starts a supervisor without children. They are stopped when the scope closes. */
export const start = Effect.fnUntraced(function* <A, R = Scope.Scope>(
  options: DynamicOptions<A, R>
): Effect.fn.Return<DynamicSupervisor<A, Exclude<R, Scope.Scope>>, SpecInvalid, Scope.Scope> {
  const plan = yield* Effect.fromResult(planOf(options, "simple_one_for_one"))
  // It has no children that could fail to start.
  const engine = yield* Effect.orDie(supervise(plan, []))
  const { children, path: supervisor } = engine
  let made = 0
  return {
    ...overview(engine),
    startChild: Effect.fnUntraced(function* (argument: A) {
      const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
      const { id = `#${++made}`, ...spec } = options.child(argument)
      const planned = yield* Effect.fromResult(plannedChild({ ...spec, id }, "child", plan, context))
      yield* engine.ask(startNew(engine, plan, planned))
      return id
    }),
    terminateChild: (id) =>
      engine.ask(
        Effect.suspend(() => {
          const child = children.get(id)
          return child === undefined
            ? Effect.fail(new NoSuchChild({ supervisor, child: id }))
            : engine.end(child)
        })
      )
  }
})
