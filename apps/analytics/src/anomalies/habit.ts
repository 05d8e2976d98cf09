/*
 * What a subject, a role or everybody is used to doing, as counts. The unit of observation is one
 * hour in which a subject used a service, however many accesses it held: a burst of a thousand
 * requests at night is one observation and cannot teach the profile that nights are normal.
 */

export const HOURS = 168
/** Volumes fall into classes 1, 2–3, 4–7, 8–15, …: the ones beyond 2^19 count as 2^19. */
export const VOLUMES = 20

/** Share of an observation that its own hour and each neighbour within two hours receive. */
const HOUR_KERNEL = [0.06, 0.22, 0.44, 0.22, 0.06]
/** Share that stays on its own weekday; the rest is spread over the days of the same kind. */
const OWN_DAY = 0.5

export interface Habit {
  units: number
  accesses: number
  /** Smoothed units by hour of the week, Monday 00:00 first; sums to `units`. */
  hours: Float64Array
  /** Accesses by hour of the week, as they were. */
  accessHours: Float64Array
  /** Units by service. */
  services: Map<string, number>
  /** Units by class of volume. */
  volumes: Float64Array
  /** Units in which a resource was used for the first time. */
  novelties: number
}

export function createHabit(): Habit {
  return {
    units: 0,
    accesses: 0,
    hours: new Float64Array(HOURS),
    accessHours: new Float64Array(HOURS),
    services: new Map(),
    volumes: new Float64Array(VOLUMES),
    novelties: 0,
  }
}

/** Hour of the week of `hour`, the whole hours since 1970-01-01, a Thursday. */
export function weekHour(hour: number): number {
  return (hour + 3 * 24) % HOURS
}

export function volumeClass(accesses: number): number {
  return Math.min(VOLUMES - 1, Math.floor(Math.log2(Math.max(1, accesses))))
}

/** Spreads `units` observed at one hour of the week over its neighbourhood. */
export function addHours(habit: Habit, bin: number, units: number): void {
  const [first, last] = bin < 120 ? [0, 5] : [5, 7]
  const shared = (units * (1 - OWN_DAY)) / (last - first)
  for (const [i, weight] of HOUR_KERNEL.entries()) {
    const near = (bin + i - 2 + HOURS) % HOURS
    add(habit.hours, near, units * OWN_DAY * weight)
    for (let day = first; day < last; day += 1) {
      // Across midnight the neighbour belongs to the next day of each day of the kind.
      const hourOfDay = bin % 24
      add(habit.hours, (day * 24 + hourOfDay + i - 2 + HOURS) % HOURS, shared * weight)
    }
  }
}

function add(array: Float64Array, index: number, value: number): void {
  array[index] = (array[index] ?? 0) + value
}

/** One hour in which a subject used a service. */
export interface Observation {
  hour: number
  accesses: number
  service: string
  /** Resources that the subject had never used before this hour. */
  newResources: readonly string[]
}

export function learn(habit: Habit, seen: Observation): void {
  const bin = weekHour(seen.hour)
  habit.units += 1
  habit.accesses += seen.accesses
  addHours(habit, bin, 1)
  add(habit.accessHours, bin, seen.accesses)
  habit.services.set(seen.service, (habit.services.get(seen.service) ?? 0) + 1)
  add(habit.volumes, volumeClass(seen.accesses), 1)
  if (seen.newResources.length > 0) habit.novelties += 1
}
