/**
 * Every program of a campaign, in one file: `troupe up`, `worker`, `api` and `keys` as they are installed, with the campaign's
 * handlers; and a submitter, over the library or over HTTP.
 */
import { Command } from "effect/cli"
import { forTenants } from "../../../api/cli/flags.ts"
import { keys } from "../../../api/cli/keys.ts"
import { runProgram } from "../../../api/cli/program.ts"
import { api, worker } from "../../../api/cli/service.ts"
import { up } from "../../../api/cli/up.ts"
import type { DriverPlan } from "./calls.ts"
import { drive } from "./driver.ts"
import { httpPort } from "./port-http.ts"
import { libraryPort } from "./port-library.ts"
import { all } from "./workload.ts"

const [, , role, name] = process.argv

if (role === "submitter") {
  const plan = JSON.parse(process.env["CHAOS_PLAN"]!) as DriverPlan
  const url = process.env["CHAOS_URL"]
  // Every other stream is read slowly.
  const port =
    url === undefined
      ? await libraryPort(plan.tenant)
      : httpPort(url, process.env["CHAOS_KEY"], (task) => /[02468ACEGJ]$/.test(task))
  await drive(port, plan, process.env["CHAOS_HISTORY"]!, name!)
  process.exit(0)
} else {
  const troupe = Command.make("troupe").pipe(
    Command.withSubcommands([up(all), worker(all), api(all), forTenants(keys())])
  )
  runProgram(troupe, { version: "0.0.0" })
}
