import { describe, expect, test } from "bun:test"
import {
  faultsOfCron,
  nextSlot,
  type Rule,
  slotAfter,
  slotsFrom,
  slotsUpTo
} from "../../../actors/schedule/rule.ts"

const at = (time: string) => Date.parse(time)
const iso = (slots: ReadonlyArray<number>) => slots.map((slot) => new Date(slot).toISOString())

const cron = (fields: string, timeZone = "UTC"): Rule => ({ kind: "cron", cron: fields, timeZone })

/** The slots of a rule after a time, as ISO 8601 without seconds. */
const slots = (rule: Rule, after: string, count: number) =>
  iso(slotsFrom(rule, slotAfter(rule, at(after)), count)).map((slot) => slot.slice(0, 16))

describe("a calendar rule", () => {
  test("has five fields, or six with seconds first", () => {
    expect(slots(cron("30 9 * * 1-5"), "2030-01-04T10:00Z", 2)).toEqual([
      "2030-01-07T09:30",
      "2030-01-08T09:30"
    ])
    expect(iso(slotsFrom(cron("*/20 * * * * *"), at("2030-01-01T00:00:00Z"), 3))).toEqual([
      "2030-01-01T00:00:00.000Z",
      "2030-01-01T00:00:20.000Z",
      "2030-01-01T00:00:40.000Z"
    ])
  })

  test("is read on the clock of its time zone, summer and winter", () => {
    expect(slots(cron("0 9 1 1,7 *", "Europe/Berlin"), "2030-01-01T00:00Z", 2)).toEqual([
      "2030-01-01T08:00",
      "2030-07-01T07:00"
    ])
    expect(slots(cron("0 9 1 1,7 *", "America/New_York"), "2030-01-01T00:00Z", 2)).toEqual([
      "2030-01-01T14:00",
      "2030-07-01T13:00"
    ])
  })

  test("has no slot at the time after which it is asked for, and one a millisecond later", () => {
    const rule = cron("0 9 * * *")
    expect(slotAfter(rule, at("2030-01-01T09:00:00Z"))).toBe(at("2030-01-02T09:00:00Z"))
    expect(slotAfter(rule, at("2030-01-01T08:59:59.999Z"))).toBe(at("2030-01-01T09:00:00Z"))
  })

  test("is refused with the field that is wrong and what would be right", () => {
    const faults = (fields: string, timeZone = "UTC") =>
      faultsOfCron(fields, timeZone, at("2030-01-01T00:00Z"))
    expect(faults("0 9 * * *")).toEqual([])
    expect(faults("0 9 * *")[0]).toMatchObject({
      path: "/cron",
      message: expect.stringContaining("five fields")
    })
    expect(faults("61 9 * * *")[0]).toMatchObject({
      path: "/cron",
      message: expect.stringContaining("between 0 and 59")
    })
    expect(faults("0 9 * * *", "Mars/Base")).toEqual([
      { path: "/timeZone", message: 'there is no time zone "Mars/Base"; say one as in Europe/Berlin' }
    ])
    expect(faults("0 0 30 2 *")).toEqual([
      { path: "/cron", message: "never comes: no such day is in the calendar" }
    ])
  })
})

/** When and where the clock is put forward from two to three, and back again. */
const changes = [
  {
    zone: "Europe/Berlin",
    // 01:59:59 is followed by 03:00:00.
    spring: "2030-03-31",
    /** 01:30, the slot that was 02:30, and 03:30, in UTC. */
    springSlots: ["2030-03-31T00:30", "2030-03-31T01:30", "2030-03-31T02:30"],
    // 02:59:59 is followed by 02:00:00.
    fall: "2030-10-27",
    hour: 2,
    /** The first and the second 02:30, and 03:30. */
    fallSlots: ["2030-10-27T00:30", "2030-10-27T01:30", "2030-10-27T02:30"]
  },
  {
    zone: "America/New_York",
    spring: "2030-03-10",
    springSlots: ["2030-03-10T06:30", "2030-03-10T07:30", "2030-03-10T08:30"],
    // 01:59:59 is followed by 01:00:00.
    fall: "2030-11-03",
    hour: 1,
    /** The first and the second 01:30, and 02:30. */
    fallSlots: ["2030-11-03T05:30", "2030-11-03T06:30", "2030-11-03T07:30"]
  }
] as const

for (const { fall, fallSlots, hour, spring, springSlots, zone } of changes) {
  describe(`in ${zone}`, () => {
    const from = (day: string) => `${day}T00:00Z`

    test("a slot that the clock leaves out in spring comes an hour later, once", () => {
      expect(slots(cron("30 2 * * *", zone), from(spring), 1)).toEqual([springSlots[1]])
      expect(slots(cron("30 2 31,10 3 *", zone), from(spring), 1)).toEqual([springSlots[1]])
      const day = slots(cron("30 2 * * *", zone), from(spring), 2)
      expect(day[1]!.slice(0, 10)).not.toBe(spring)
    })

    test("and is found as well from within the hour by which it is late", () => {
      const rule = cron("30 2 * * *", zone)
      const slot = at(`${springSlots[1]}Z`)
      for (const minutes of [29, 20, 1]) expect(slotAfter(rule, slot - minutes * 60_000)).toBe(slot)
      expect(slotAfter(rule, slot)).toBeGreaterThan(slot)
    })

    test("several slots of the hour that is left out come once, and not twice with those of the next hour", () => {
      expect(slots(cron("30 2,3 * * *", zone), `${spring}T00:00Z`, 2)[0]).toBe(springSlots[1])
      const all = slotsFrom(
        cron("*/20 2 * * *", zone),
        slotAfter(cron("*/20 2 * * *", zone), at(from(spring))),
        4
      )
      expect(new Set(all).size).toBe(4)
      expect(iso(all).filter((slot) => slot.startsWith(spring))).toHaveLength(1)
    })

    test("a rule for every hour leaves nothing out in spring, and goes on every half hour", () => {
      const rule = cron("*/30 * * * *", zone)
      const all = slotsFrom(rule, slotAfter(rule, at(from(spring))), 48)
      expect(new Set(all.map((slot, index) => slot - (all[index - 1] ?? slot - 1_800_000)))).toEqual(
        new Set([1_800_000])
      )
    })

    test("a slot of the hour that comes twice in autumn is in the first one only", () => {
      const rule = cron(`30 ${hour} * * *`, zone)
      const [first, second] = slots(rule, from(fall), 2)
      expect(first).toBe(fallSlots[0])
      expect(second!.slice(0, 10)).not.toBe(fall)
      expect(slots(rule, `${fallSlots[0]}Z`, 1)[0]!.slice(0, 10)).not.toBe(fall)
    })

    test("a rule for every hour goes through both of them", () => {
      expect(slots(cron("30 * * * *", zone), `${fallSlots[0].slice(0, 13)}:00Z`, 3)).toEqual([...fallSlots])
      const rule = cron("*/15 * * * *", zone)
      const all = slotsFrom(rule, slotAfter(rule, at(from(fall))), 96)
      expect(new Set(all.map((slot, index) => slot - (all[index - 1] ?? slot - 900_000)))).toEqual(
        new Set([900_000])
      )
    })
  })
}

test("slots follow each other, whatever rule and zone, over every change of the clock", () => {
  const changes = {
    "Europe/Berlin": ["2030-03-30", "2030-10-26"],
    "America/St_Johns": ["2030-03-09", "2030-11-02"],
    // By half an hour.
    "Australia/Lord_Howe": ["2030-04-06", "2030-10-05"],
    "Asia/Kolkata": ["2030-03-30"]
  }
  for (const [zone, days] of Object.entries(changes)) {
    for (const fields of ["30 2 * * *", "*/30 1-3 * * *", "15 0,2,23 * * *", "45 * * * *"]) {
      const rule = cron(fields, zone)
      for (const day of days) {
        const first = slotAfter(rule, at(`${day}T00:00Z`))
        const all = slotsFrom(rule, first, fields.startsWith("45") ? 48 : 16)
        for (const [index, slot] of all.entries()) {
          expect(slot).toBeGreaterThan(all[index - 1] ?? 0)
          // Whoever looks for it from a moment before finds the same one.
          expect(slotAfter(rule, slot - 1)).toBe(slot)
        }
      }
    }
  }
})

describe("an interval", () => {
  const rule: Rule = { kind: "every", everyMs: 10_000, anchor: 1_000_000 }

  test("has its slots on a grid from its anchor, which is the first of them", () => {
    expect(slotAfter(rule, 0)).toBe(1_000_000)
    expect(slotAfter(rule, 1_000_000)).toBe(1_010_000)
    expect(slotAfter(rule, 1_010_001)).toBe(1_020_000)
    expect(nextSlot(rule, 1_020_000)).toBe(1_030_000)
  })
})

describe("a single time", () => {
  test("has one slot", () => {
    const rule: Rule = { kind: "at", at: 5_000 }
    expect(slotsFrom(rule, slotAfter(rule, 0), 5)).toEqual([5_000])
    expect(slotAfter(rule, 5_000)).toBeUndefined()
    expect(slotsUpTo(rule, 5_000, 9_000, 3)).toEqual([5_000])
  })
})

describe("the slots that have come since one", () => {
  const every: Rule = { kind: "every", everyMs: 1_000, anchor: 0 }

  test("are all of them where they are few, and the newest where they are many", () => {
    expect(slotsUpTo(every, 5_000, 7_999, 5)).toEqual([5_000, 6_000, 7_000])
    expect(slotsUpTo(every, 5_000, 4_000, 5)).toEqual([])
    expect(slotsUpTo(every, 5_000, 100_000, 3)).toEqual([98_000, 99_000, 100_000])
  })

  test("are found at once after years", () => {
    const day = at("2030-06-01T00:00Z")
    const before = process.cpuUsage()
    expect(slotsUpTo(every, 1_000, day, 3)).toEqual([day - 2_000, day - 1_000, day])
    const rule = cron("* * * * * *", "Europe/Berlin")
    expect(slotsUpTo(rule, at("2020-01-01T00:00Z"), day, 3)).toEqual([day - 2_000, day - 1_000, day])
    // Time of the processor, as the machine may be busy.
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000)
  })

  test("are those of the calendar also over a change of the clock", () => {
    const rule = cron("30 2 * * *", "Europe/Berlin")
    const from = slotAfter(rule, at("2029-01-01T00:00Z"))!
    const all = slotsFrom(rule, from, 800)
    const until = at("2030-11-01T00:00Z")
    expect(slotsUpTo(rule, from, until, 250)).toEqual(all.filter((slot) => slot <= until).slice(-250))
  })
})
