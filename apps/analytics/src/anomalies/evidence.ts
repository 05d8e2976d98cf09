import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { Engine, Params } from '../engine/engine.ts'
import { storeTime } from '../engine/time.ts'
import { addHours, type Habit } from './habit.ts'
import { createHabits, type Habits, habitIn, type Unit } from './replay.ts'

/*
 * The counts behind the scores, made by SQL. History before the window comes as sums by subject,
 * role and everybody; the window itself comes hour by hour, for the replay. Both see the same units:
 * one row for each subject, service and hour. 60 days of 300 people (150,000 events) take about a
 * third of a second.
 */

/** Units of one window; more would take seconds and hundreds of megabytes. */
const MAX_UNITS = 500_000

/**
 * Anonymous accesses have no habits. `first_uses` looks only back, so that what comes later never
 * makes an earlier use any less the first one.
 */
const UNITS = `
  SELECT subject, service,
    intDiv(toUnixTimestamp(time), 3600) AS hour,
    count() AS accesses,
    countIf(time >= {from: DateTime64(3, 'UTC')}) AS counted,
    toUnixTimestamp64Milli(min(time)) AS first_ms,
    toUnixTimestamp64Milli(max(time)) AS last_ms,
    arraySort(groupUniqArrayArray(64)(roles)) AS unit_roles,
    groupUniqArrayIf(8)(resource, resource != '' AND first_uses.first_hour = hour) AS new_resources
  FROM events
  LEFT JOIN (
    SELECT subject, resource, intDiv(toUnixTimestamp(min(time)), 3600) AS first_hour
    FROM events
    WHERE type = 'access' AND subject != '' AND resource != ''
      AND time < {to: DateTime64(3, 'UTC')}
    GROUP BY subject, resource
  ) AS first_uses USING (subject, resource)
  WHERE type = 'access' AND subject != ''
    AND time >= {since: DateTime64(3, 'UTC')} AND time < {until: DateTime64(3, 'UTC')}
  GROUP BY subject, service, hour`

/** A unit of the window; `counted` of its accesses are inside, the rest before `from` in its hour. */
export interface WindowUnit extends Unit {
  counted: number
}

const HOUR_MS = 3_600_000
const DAWN = '1970-01-01 00:00:00.000'

export async function readUnits(
  engine: Engine,
  window: { fromMs: number; toMs: number },
): Promise<WindowUnit[]> {
  const rows = await engine.query<{
    subject: string
    service: string
    hour: string | number
    accesses: string
    counted: string
    first_ms: string
    last_ms: string
    unit_roles: string[]
    new_resources: string[]
  }>(`${UNITS} ORDER BY hour, subject, service LIMIT {limit: UInt32}`, {
    ...timesOf(window),
    limit: MAX_UNITS + 1,
  })
  if (rows.length > MAX_UNITS) {
    throw new ProblemError('BAD_REQUEST', 'from, to: too much happened; take a shorter window')
  }
  return rows.map((row) => ({
    subject: row.subject,
    service: row.service,
    hour: Number(row.hour),
    accesses: Number(row.accesses),
    counted: Number(row.counted),
    firstMs: Number(row.first_ms),
    lastMs: Number(row.last_ms),
    roles: row.unit_roles,
    newResources: row.new_resources,
  }))
}

/** Keys and their values, as `sumMap` gives them. */
type Sums<Key> = [Key[], (string | number)[]]

/** The sums of one subject, for each set of roles that it has had. */
interface HabitRow {
  subject: string
  unit_roles: string[]
  units: string
  all_accesses: string
  novelties: string
  hour_units: Sums<number>
  hour_accesses: Sums<number>
  service_units: Sums<string>
  service_since: Sums<string>
  volume_units: Sums<number>
}

/** What was usual before the window. */
export async function readHabits(
  engine: Engine,
  window: { fromMs: number; toMs: number },
): Promise<Habits> {
  const { since } = timesOf(window)
  const rows = await engine.query<HabitRow>(
    `SELECT subject, unit_roles,
      count() AS units,
      sum(accesses) AS all_accesses,
      countIf(notEmpty(new_resources)) AS novelties,
      sumMap([week_hour], [toUInt32(1)]) AS hour_units,
      sumMap([week_hour], [accesses]) AS hour_accesses,
      sumMap([toString(service)], [toUInt32(1)]) AS service_units,
      minMap([toString(service)], [toUInt32(hour)]) AS service_since,
      sumMap([volume], [toUInt32(1)]) AS volume_units
    FROM (
      SELECT subject, service, hour, accesses, new_resources, unit_roles,
        toUInt8((hour + 72) % 168) AS week_hour,
        toUInt8(least(19, floor(log2(accesses)))) AS volume
      FROM (${UNITS})
    )
    GROUP BY subject, unit_roles`,
    { ...timesOf(window), since: DAWN, until: since },
  )
  const habits = createHabits()
  for (const row of rows) {
    addRow(habitIn(habits.subjects, row.subject), row)
    for (const role of row.unit_roles) addRow(habitIn(habits.roles, role), row)
    addRow(habits.everybody, row)
    for (const [service, first] of pairs(row.service_since)) {
      const before = habits.serviceSince.get(service)
      if (before === undefined || first < before) habits.serviceSince.set(service, first)
    }
  }
  return habits
}

function addRow(habit: Habit, row: HabitRow): void {
  habit.units += Number(row.units)
  habit.accesses += Number(row.all_accesses)
  habit.novelties += Number(row.novelties)
  for (const [hour, units] of pairs(row.hour_units)) addHours(habit, hour, units)
  for (const [hour, accesses] of pairs(row.hour_accesses)) {
    habit.accessHours[hour] = (habit.accessHours[hour] ?? 0) + accesses
  }
  for (const [service, units] of pairs(row.service_units)) {
    habit.services.set(service, (habit.services.get(service) ?? 0) + units)
  }
  for (const [volume, units] of pairs(row.volume_units)) {
    habit.volumes[volume] = (habit.volumes[volume] ?? 0) + units
  }
}

function pairs<Key>([keys, values]: Sums<Key>): [Key, number][] {
  return keys.map((key, i) => [key, Number(values[i] ?? 0)])
}

/** The replay begins at a whole hour: an hour that was learnt in halves would count twice. */
function timesOf({ fromMs, toMs }: { fromMs: number; toMs: number }): Params & { since: string } {
  return {
    from: storeTime(fromMs),
    to: storeTime(toMs),
    since: storeTime(Math.floor(fromMs / HOUR_MS) * HOUR_MS),
    until: storeTime(toMs),
  }
}
