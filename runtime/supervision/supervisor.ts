/**
 * Starts children in order, starts again what ends as their specs say, and stops them in reverse order.
 *
 * Strategies, restart types, intensity, significant children and the operations on children are OTP's. A supervisor
 * lives as long as the scope it was started in, and fails to whoever started it when restarting does not help.
 */
import { Context, Effect, Layer, Result, type Scope } from "effect"
import { isAlive } from "./decision.ts"
import { type Engine, supervise } from "./engine.ts"
import {
  ChildAlive,
  ChildKnown,
  type ChildNotStarted,
  ChildrenFull,
  NoSuchChild,
  type SupervisorEnded,
  type SupervisorGaveUp
} from "./errors.ts"
import { type Child, type ChildCounts, type ChildInfo, countsOf, infoOf } from "./roster.ts"
import {
  type ChildSpec,
  type Plan,
  planOf,
  type PlannedChild,
  plannedChild,
  SpecInvalid,
  type Strategy,
  type SupervisorOptions
} from "./spec.ts"
import type { TreeNode } from "./tree.ts"
import { type Notice, Reason, watch } from "./watch.ts"

/** What can be asked of every supervisor, also after it has ended. */
export interface Overview {
  /** In start order. */
  readonly whichChildren: Effect.Effect<ReadonlyArray<ChildInfo>>
  readonly countChildren: Effect.Effect<ChildCounts>
  /** This supervisor with everything below it, as it is now; see `render`. */
  readonly tree: Effect.Effect<TreeNode>
  /**
   * Watches a child until the scope closes. The inner effect waits until the child is gone for good; a restart is not
   * told. One that is not alive is gone already.
   */
  readonly monitor: (id: string) => Effect.Effect<Effect.Effect<Notice>, never, Scope.Scope>
  /** Waits until all children were stopped: succeeds on a stop and by `autoShutdown`, fails when it gave up. */
  readonly ended: Effect.Effect<void, SupervisorGaveUp>
}

/**
 * What a supervisor does while it does something else waits for its turn; so a child that asks this of its own supervisor
 * in its start would wait for itself.
 */
export class Supervisor extends Context.Service<
  Supervisor,
  Overview & {
    /** Adds a child after all others and starts it. One that cannot be started is not kept. */
    readonly startChild: <R = Scope.Scope>(
      spec: ChildSpec<R>
    ) => Effect.Effect<
      void,
      SpecInvalid | ChildKnown | ChildrenFull | ChildNotStarted | SupervisorEnded,
      Exclude<R, Scope.Scope>
    >
    /** Stops a child for good, if it is alive. Its spec stays, unless it is temporary. */
    readonly terminateChild: (id: string) => Effect.Effect<void, NoSuchChild | SupervisorEnded>
    /** Starts a child that has ended or was stopped, in its old place. */
    readonly restartChild: (
      id: string
    ) => Effect.Effect<void, NoSuchChild | ChildAlive | ChildNotStarted | SupervisorEnded>
    /** Forgets a child that has ended or was stopped. */
    readonly deleteChild: (id: string) => Effect.Effect<void, NoSuchChild | ChildAlive | SupervisorEnded>
  }
>()("troupe/Supervisor") {}

/** A supervisor and its first children. */
export interface StaticOptions<R = Scope.Scope> extends SupervisorOptions {
  /** Default `one_for_one`. */
  readonly strategy?: Strategy
  /** In start order. */
  readonly children?: ReadonlyArray<ChildSpec<R>>
}

/**
 * Starts a supervisor; it has started when all its children have. When one does not start, those before it are stopped
 * in reverse order and this fails. When the scope closes, the children are stopped.
 */
export const start = Effect.fnUntraced(function* <R = Scope.Scope>(
  options: StaticOptions<R>
): Effect.fn.Return<
  Supervisor["Service"],
  SpecInvalid | ChildNotStarted,
  Exclude<R, Scope.Scope> | Scope.Scope
> {
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const plan = yield* Effect.fromResult(planOf(options, options.strategy ?? "one_for_one"))
  const specs = yield* Effect.fromResult(planAll(options.children ?? [], plan, context))
  const engine = yield* supervise(plan, specs)
  const { children, path: supervisor } = engine

  const known = (id: string): Effect.Effect<Child, NoSuchChild> =>
    Effect.suspend(() => {
      const child = children.get(id)
      return child === undefined
        ? Effect.fail(new NoSuchChild({ supervisor, child: id }))
        : Effect.succeed(child)
    })

  const atRest = (id: string) =>
    Effect.filterOrFail(
      known(id),
      ({ state }) => !isAlive(state),
      ({ state }) => new ChildAlive({ supervisor, child: id, state })
    )

  return Supervisor.of({
    ...overview(engine),
    startChild: Effect.fnUntraced(function* <R>(spec: ChildSpec<R>) {
      const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
      const planned = yield* Effect.fromResult(plannedChild(spec, "spec", plan, context))
      yield* engine.ask(startNew(engine, plan, planned))
    }),
    terminateChild: (id) => engine.ask(Effect.flatMap(known(id), engine.end)),
    restartChild: (id) => engine.ask(Effect.flatMap(atRest(id), engine.start)),
    deleteChild: (id) => engine.ask(Effect.map(atRest(id), () => void children.delete(id)))
  })
})

/** The supervisor of a process, or of a part of it. */
export const layer = <R = Scope.Scope>(options: StaticOptions<R>) => Layer.effect(Supervisor, start(options))

/** A supervisor as the child of another; it is stopped for as long as it takes, unless said otherwise. */
export const child = <R = Scope.Scope>(
  spec: Omit<ChildSpec, "start" | "type">,
  options: Omit<StaticOptions<R>, "name">
): ChildSpec<Exclude<R, Scope.Scope> | Scope.Scope> => ({
  ...spec,
  type: "supervisor",
  start: Effect.map(start(options), ({ ended }) => ended)
})

const planAll = <R>(
  specs: ReadonlyArray<ChildSpec<R>>,
  plan: Plan,
  context: Context.Context<Exclude<R, Scope.Scope>>
): Result.Result<ReadonlyArray<PlannedChild>, SpecInvalid> => {
  const planned = Result.all(specs.map((spec, at) => plannedChild(spec, `children[${at}]`, plan, context)))
  if (Result.isFailure(planned)) return planned
  const ids = specs.map(({ id }) => id)
  const twice = ids.findIndex((id, at) => ids.indexOf(id) < at)
  if (twice >= 0)
    return Result.fail(
      new SpecInvalid({ field: `children[${twice}].id`, problem: `is "${ids[twice]}" like one before it` })
    )
  if (specs.length > plan.childrenMax)
    return Result.fail(
      new SpecInvalid({ field: "children", problem: `are more than childrenMax, ${plan.childrenMax}` })
    )
  return planned
}

/** What a supervisor does that is asked for a new child. */
export const startNew = (
  { add, children, path: supervisor }: Engine,
  { childrenMax }: Plan,
  spec: PlannedChild
): Effect.Effect<void, ChildKnown | ChildrenFull | ChildNotStarted> =>
  Effect.suspend((): Effect.Effect<void, ChildKnown | ChildrenFull | ChildNotStarted> => {
    const same = children.get(spec.id)
    if (same !== undefined)
      return Effect.fail(new ChildKnown({ supervisor, child: spec.id, state: same.state }))
    return children.size >= childrenMax
      ? Effect.fail(new ChildrenFull({ supervisor, childrenMax }))
      : add(spec)
  })

export const overview = ({ children, ended, path: supervisor, tree }: Engine): Overview => ({
  whichChildren: Effect.sync(() => [...children.values()].map(infoOf)),
  countChildren: Effect.sync(() => countsOf(children.values())),
  tree: Effect.sync(tree),
  monitor: (id) =>
    Effect.suspend(() => {
      const child = children.get(id)
      return child !== undefined && isAlive(child.state)
        ? watch(child.watchers)
        : Effect.succeed(Effect.succeed({ supervisor, child: id, reason: Reason.NotThere() }))
    }),
  ended
})
