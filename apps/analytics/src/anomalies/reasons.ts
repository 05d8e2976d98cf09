import type { AnomalousAccessPatternsResponse } from '@audience-bridge/contracts/analytics.ts'
import { type Habit, weekHour } from './habit.ts'
import type { Judged, Unit } from './replay.ts'
import { type Surprise, surpriseOf } from './score.ts'

export type Reason = AnomalousAccessPatternsResponse['patterns'][number]['reasons'][number]

/** Shares of the score below this are noise, not reasons. */
const LEAST_WEIGHT = 0.05

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/**
 * The evidence of a score in words and numbers, strongest first.
 *
 * @param aboutOthers whether counts of the roles may be told. They are sums over other people, and
 *   in a small role a sum is a person: who sees only the own rows is not told them.
 */
export function reasonsOf({ unit, tails, levels }: Judged<Unit>, aboutOthers: boolean): Reason[] {
  const surprise = surpriseOf(tails)
  const total = surprise.hour + surprise.service + surprise.resource + surprise.volume
  if (total === 0) return []
  const part = (feature: keyof Surprise) => surprise[feature] / total
  const { own, roles } = levels
  const role = aboutOthers ? mostTelling(roles) : undefined
  const byRole = role === undefined ? 0 : roleShare(tails.hour, tails.roleHour)

  const reasons = [
    hourReason(unit, own, part('hour') * (1 - byRole)),
    ...(role === undefined ? [] : [roleReason(unit, role, part('hour') * byRole)]),
    serviceReason(unit, own, part('service')),
    resourceReason(unit, own, part('resource')),
    volumeReason(unit, own, part('volume')),
  ]
  return reasons
    .filter(({ weight }) => weight >= LEAST_WEIGHT)
    .sort((a, b) => b.weight - a.weight)
    .map((reason) => ({ ...reason, weight: Math.round(reason.weight * 1000) / 1000 }))
}

/** How much of the hour's surprise the roles share; none when the hour is usual for them. */
function roleShare(hour: number, roleHour: number): number {
  if (roleHour > 0.1) return 0
  const [own, role] = [-Math.log10(hour), -Math.log10(roleHour)]
  return role / (own + role)
}

type Role = { name: string; habit: Habit }

const TELLING_UNITS = 200

/** The smallest role with enough history to tell: `night-operator` says more than `employee`. */
function mostTelling(roles: readonly Role[]): Role | undefined {
  const sorted = roles.toSorted((a, b) => a.habit.units - b.habit.units)
  return sorted.find(({ habit }) => habit.units >= TELLING_UNITS) ?? sorted.at(-1)
}

function hourReason(unit: Unit, own: Habit, weight: number): Reason {
  const bin = weekHour(unit.hour)
  const before = own.accessHours[bin] ?? 0
  const usual = usualHours(own)
  return {
    feature: 'unusual_hour',
    text: `at ${clock(bin)} on ${day(bin)} (UTC); ${before} of ${own.accesses} earlier accesses fell in that hour of the week${usual === undefined ? '' : `, 90 % of all from ${usual}`}`,
    observed: `${day(bin)} ${clock(bin)}`,
    expected: usual ?? 'no history yet',
    weight,
  }
}

function roleReason(unit: Unit, role: Role, weight: number): Reason {
  const bin = weekHour(unit.hour)
  const before = role.habit.accessHours[bin] ?? 0
  const usual = usualHours(role.habit)
  return {
    feature: 'unusual_hour_for_role',
    text: `unusual for the role ${role.name} too: ${before} of ${role.habit.accesses} earlier accesses of its members at ${clock(bin)} on ${day(bin)}`,
    observed: before,
    expected: usual ?? 'no history yet',
    weight,
  }
}

function serviceReason(unit: Unit, own: Habit, weight: number): Reason {
  const before = own.services.get(unit.service) ?? 0
  const usual = [...own.services].sort((a, b) => b[1] - a[1]).slice(0, 3)
  const names = usual.map(([name]) => name).join(', ')
  return {
    feature: 'unusual_service',
    text:
      before === 0
        ? `${unit.service} was never used before in ${own.units} earlier hours of activity${names === '' ? '' : `; usual are ${names}`}`
        : `${unit.service} was used in ${before} of ${own.units} earlier hours of activity; usual are ${names}`,
    observed: unit.service,
    expected: names === '' ? 'no history yet' : names,
    weight,
  }
}

function resourceReason(unit: Unit, own: Habit, weight: number): Reason {
  const names = unit.newResources.slice(0, 3).join(', ')
  return {
    feature: 'new_resource',
    text: `first use of ${names}; ${own.novelties} of ${own.units} earlier hours of activity brought anything new`,
    observed: names,
    expected: own.novelties,
    weight,
  }
}

function volumeReason(unit: Unit, own: Habit, weight: number): Reason {
  const mean = own.units === 0 ? 0 : Math.round((own.accesses / own.units) * 10) / 10
  return {
    feature: 'high_volume',
    text: `${unit.accesses} accesses within the hour; the mean of ${own.units} earlier hours of activity is ${mean}`,
    observed: unit.accesses,
    expected: mean,
    weight,
  }
}

/** The shortest stretch of the day, around midnight if need be, that holds 90 % of the accesses. */
function usualHours(habit: Habit): string | undefined {
  if (habit.accesses === 0) return undefined
  const byHour = Array.from({ length: 24 }, (_, hour) => {
    let sum = 0
    for (let d = 0; d < 7; d += 1) sum += habit.accessHours[d * 24 + hour] ?? 0
    return sum
  })
  for (let length = 1; length <= 24; length += 1) {
    for (let first = 0; first < 24; first += 1) {
      let sum = 0
      for (let i = 0; i < length; i += 1) sum += byHour[(first + i) % 24] ?? 0
      if (sum >= habit.accesses * 0.9) return `${clock(first)} to ${clock(first + length)}`
    }
  }
  return undefined
}

const day = (bin: number) => DAYS[Math.floor(bin / 24)] ?? ''
const clock = (hour: number) => `${String(hour % 24).padStart(2, '0')}:00`
