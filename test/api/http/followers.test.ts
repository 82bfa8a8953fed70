import { expect } from "bun:test"
import { Context, Effect, Layer } from "effect"
import { Follow } from "../../../actors/follow/follow.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Server from "../../../api/http/server.ts"
import { redisApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aCaller } from "../../support/socket.ts"
import { aClient } from "../../support/stores.ts"
import { submit, tasks } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

const tasksMax = 100
const followersOfEach = 10
const rounds = 10

it.live(
  "a thousand followers of a hundred tasks get every event in order, over the connections that one would take",
  () =>
    Effect.gen(function* () {
      const { port } = Context.get(
        yield* Layer.build(Layer.provide(Server.layerWith({}), Shutdown.layer)),
        Server.HttpServer
      )
      const redis = yield* aClient
      const connections = Effect.promise(
        async () =>
          String(await redis.client("LIST"))
            .trim()
            .split("\n").length
      )
      yield* submit(...tasks(tasksMax))
      const runs = yield* (yield* aWorker()).claim(tasksMax)
      const pathOf = (id: string) => `/v1/tasks/${id}/events`
      const one = yield* aCaller({ port, path: pathOf(runs[0]!.id) })
      yield* one.take(1)
      const before = yield* connections

      const followers = yield* Effect.forEach(
        runs,
        ({ id }) =>
          Effect.all(Array.from({ length: followersOfEach }, () => aCaller({ port, path: pathOf(id) }))),
        {
          concurrency: 50
        }
      )
      for (const follower of followers.flat()) yield* follower.take(1)
      for (let round = 0; round < rounds; round++) {
        yield* Effect.forEach(runs, ({ chunks }) => chunks({ round, part: "a" }, { round, part: "b" }), {
          concurrency: 20
        })
      }
      expect(yield* connections).toBe(before)
      expect(yield* Effect.flatMap(Follow, ({ topics }) => topics)).toBe(tasksMax)
      yield* Effect.forEach(runs, ({ succeed }) => succeed("done"), { concurrency: 20 })

      const everything = [...Array.from({ length: rounds * 2 }, (_, at) => `1-${at + 1}`), "1-end"]
      for (const { rest } of followers.flat()) {
        expect((yield* rest).flatMap(({ id }) => id ?? [])).toEqual(everything)
      }
    }).pipe(Effect.provide(redisApi)),
  30_000
)
