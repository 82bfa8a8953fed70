/** Bugs to plant in the scripts, one at a time: a checker is trusted once it has caught each of them. */
import { boxPlants } from "./plants/boxes.ts"
import { familyPlants } from "./plants/families.ts"
import { handoverPlants } from "./plants/handovers.ts"
import type { Plant } from "./plants/plant.ts"
import { reschedulingPlants } from "./plants/rescheduling.ts"
import { turnPlants } from "./plants/turns.ts"

export const plants: ReadonlyArray<Plant> = [
  ...turnPlants,
  ...handoverPlants,
  ...boxPlants,
  ...familyPlants,
  ...reschedulingPlants
]
