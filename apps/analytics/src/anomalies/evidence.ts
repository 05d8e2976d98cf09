import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { Engine, Params } from '../engine/engine.ts'
import { storeTime } from '../ingest/row.ts'
import { addHours, type Habit } from './habit.ts'
import { createHabits, type Habits, habitIn, type Unit } from './replay.ts'

/*
 * The counts behind the scores, made by SQL. History before the window comes as sums by subject,
 * role and everybody; the window itself comes hour by hour, for the replay. Both see the same units:
 * one row for each subject, service and hour. 60 days of 300 people (150,000 events) take about a
 * tenth of a second.
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
    groupUniqArrayArray(64)(roles) AS unit_roles,
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
    roles: row.unit_roles.sort(),
    newResources: row.new_resources,
  }))
}

/** What was usual before the window. */
export async function readHabits(
  engine: Engine,
  window: { fromMs: number; toMs: number },
): Promise<Habits> {
  const { since } = timesOf(window)
  const rows = await engine.query<{
    level: 'subject' | 'role' | 'everybody'
    name: string
    kind: 'sum' | 'hour' | 'service' | 'volume'
    hour_bin: number
    service: string
    volume: number
    units: string
    all_accesses: string
    novelties: string
    first_hour: string | number
  }>(
    `SELECT who.1 AS level, who.2 AS name,
      multiIf(grouping(hour_bin) = 0, 'hour', grouping(service) = 0, 'service',
        grouping(volume) = 0, 'volume', 'sum') AS kind,
      hour_bin, service, volume,
      count() AS units,
      sum(accesses) AS all_accesses,
      countIf(notEmpty(new_resources)) AS novelties,
      min(hour) AS first_hour
    FROM (
      SELECT service, hour, accesses, new_resources,
        toUInt8((hour + 72) % 168) AS hour_bin,
        toUInt8(least(19, floor(log2(accesses)))) AS volume,
        arrayConcat([('subject', subject), ('everybody', '')],
          arrayMap(role -> ('role', toString(role)), unit_roles)) AS levels
      FROM (${UNITS})
    )
    ARRAY JOIN levels AS who
    GROUP BY GROUPING SETS ((who, hour_bin), (who, service), (who, volume), (who))`,
    { ...timesOf(window), since: DAWN, until: since },
  )
  const habits = createHabits()
  for (const row of rows) {
    const habit = habitOf(habits, row.level, row.name)
    const units = Number(row.units)
    if (row.kind === 'sum') {
      habit.units = units
      habit.accesses = Number(row.all_accesses)
      habit.novelties = Number(row.novelties)
    } else if (row.kind === 'hour') {
      addHours(habit, row.hour_bin, units)
      habit.accessHours[row.hour_bin] = Number(row.all_accesses)
    } else if (row.kind === 'volume') {
      habit.volumes[row.volume] = units
    } else {
      habit.services.set(row.service, units)
      if (row.level === 'everybody') habits.serviceSince.set(row.service, Number(row.first_hour))
    }
  }
  return habits
}

function habitOf(habits: Habits, level: string, name: string): Habit {
  if (level === 'everybody') return habits.everybody
  return habitIn(level === 'role' ? habits.roles : habits.subjects, name)
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
