import { type Habit, HOURS, type Observation, VOLUMES, volumeClass, weekHour } from './habit.ts'

/*
 * How unusual one hour of a subject's accesses is, from what came before it.
 *
 * Each feature becomes a tail probability: the chance, under the subject's own history, of something
 * at most as likely as what was seen. Where the own history is short it leans on that of the
 * subject's roles, and these on everybody's (shrinkage: `PRIOR_UNITS` of borrowed observations).
 * Probabilities of different features mean the same, so they may be combined, which raw rarities may
 * not; and they mean the same for a clerk and for a night operator, so scores compare between
 * subjects. The combined surprise is a sum of decades (`-log10 p`), and the score is
 * `1 - 10^(-surprise / 3)`: 0.54 for one in ten, 0.78 for one in a hundred, 0.9 for one in a thousand.
 */

/** Observations borrowed from the level above: own from roles, a role from everybody. */
const PRIOR_UNITS = 15
const ROLE_PRIOR_UNITS = 50
const UNIFORM_UNITS = 20
/** Before so many own observations, first uses say nothing: at the start all is new. */
const COLD_UNITS = 20

/** Nothing is rarer than the evidence can tell. */
const FLOOR = { hour: 1e-7, service: 1e-4, resource: 1e-4, volume: 1e-5 }

/** Features other than the hour count for less: alone, a first use means little (bench/anomalies.ts). */
export const WEIGHTS = { hour: 1, service: 0.75, resource: 0.3, volume: 0.75 }

/** In its first two weeks a service is new to most of its users, which says nothing of them. */
const YOUNG_SERVICE_HOURS = 14 * 24

export interface Tails {
  /** Of the hour, for the subject leaning on the roles. */
  hour: number
  /** Of the hour, for the roles alone; explains, does not score. */
  roleHour: number
  service: number
  resource: number
  volume: number
}

export interface Levels {
  own: Habit
  /** Those that have a history. */
  roles: readonly { name: string; habit: Habit }[]
  everybody: Habit
  /** Of the roles, by hour of the week: `roleHourShares`, the same for all who share the roles. */
  roleHours: Float64Array
  /** Hours since anybody first used the service; undefined when nobody has. */
  serviceAge: number | undefined
}

type RoleLevels = Pick<Levels, 'roles' | 'everybody'>
type Level = (habit: Habit) => number

/** A share at the level of the roles: each leans on everybody, several count alike. */
function roleShare(levels: RoleLevels, countOf: Level, base: number): number {
  const { everybody, roles } = levels
  const all = (countOf(everybody) + UNIFORM_UNITS * base) / (everybody.units + UNIFORM_UNITS)
  if (roles.length === 0) return all
  let sum = 0
  for (const { habit } of roles) {
    sum += (countOf(habit) + ROLE_PRIOR_UNITS * all) / (habit.units + ROLE_PRIOR_UNITS)
  }
  return sum / roles.length
}

function ownShare(own: Habit, counted: number, prior: number): number {
  return (counted + PRIOR_UNITS * prior) / (own.units + PRIOR_UNITS)
}

/** The mass of all that is at most as likely as `index`. */
function tailOf(shares: Float64Array, index: number): number {
  const limit = (shares[index] ?? 0) * (1 + 1e-9)
  let tail = 0
  for (const share of shares) if (share <= limit) tail += share
  return Math.min(1, tail)
}

export function roleHourShares(levels: RoleLevels): Float64Array {
  const shares = new Float64Array(HOURS)
  for (let i = 0; i < HOURS; i += 1) {
    shares[i] = roleShare(levels, ({ hours }) => hours[i] ?? 0, 1 / HOURS)
  }
  return shares
}

function hourTails({ own, roleHours }: Levels, bin: number): { hour: number; roleHour: number } {
  const shares = roleHours.map((prior, i) => ownShare(own, own.hours[i] ?? 0, prior))
  return { hour: tailOf(shares, bin), roleHour: tailOf(roleHours, bin) }
}

function serviceTail(levels: Levels, service: string): number {
  if (levels.serviceAge === undefined || levels.serviceAge < YOUNG_SERVICE_HOURS) return 1
  // The more services exist for what was seen, the likelier is one that nobody has used yet.
  const base = 1 / (levels.everybody.services.size + 1)
  const shareOf = (name: string) =>
    ownShare(
      levels.own,
      levels.own.services.get(name) ?? 0,
      roleShare(levels, ({ services }) => services.get(name) ?? 0, base),
    )
  const limit = shareOf(service) * (1 + 1e-9)
  let tail = 0
  for (const name of levels.everybody.services.keys()) {
    const share = shareOf(name)
    if (share <= limit) tail += share
  }
  return Math.min(1, tail)
}

function resourceTail(levels: Levels, seen: Observation): number {
  if (seen.newResources.length === 0 || levels.own.units < COLD_UNITS) return 1
  return ownShare(
    levels.own,
    levels.own.novelties,
    roleShare(levels, ({ novelties }) => novelties, 0.05),
  )
}

function volumeTail(levels: Levels, accesses: number): number {
  const least = volumeClass(accesses)
  const atLeast: Level = ({ volumes }) => {
    let sum = 0
    for (let i = least; i < VOLUMES; i += 1) sum += volumes[i] ?? 0
    return sum
  }
  const base = 2 ** -least
  return Math.min(1, ownShare(levels.own, atLeast(levels.own), roleShare(levels, atLeast, base)))
}

export function tailsOf(levels: Levels, seen: Observation): Tails {
  return {
    ...hourTails(levels, weekHour(seen.hour)),
    service: serviceTail(levels, seen.service),
    resource: resourceTail(levels, seen),
    volume: volumeTail(levels, seen.accesses),
  }
}

/** Weighted decades of surprise, by feature. */
export type Surprise = Record<keyof typeof WEIGHTS, number>

export function surpriseOf(tails: Tails): Surprise {
  const decades = (p: number, floor: number) => -Math.log10(Math.max(p, floor))
  return {
    hour: WEIGHTS.hour * decades(tails.hour, FLOOR.hour),
    service: WEIGHTS.service * decades(tails.service, FLOOR.service),
    resource: WEIGHTS.resource * decades(tails.resource, FLOOR.resource),
    volume: WEIGHTS.volume * decades(tails.volume, FLOOR.volume),
  }
}

/** 0 to 1, higher is stranger. */
export function scoreOf(surprise: Surprise): number {
  let sum = 0
  for (const part of Object.values(surprise)) sum += part
  return 1 - 10 ** (-sum / 3)
}
