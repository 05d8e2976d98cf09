import type { Engine } from '../engine/engine.ts'
import { storeTime } from '../engine/time.ts'
import type { Window } from '../queries/window.ts'
import { readHabits } from './evidence.ts'
import type { Habit } from './habit.ts'
import type { Habits } from './replay.ts'

/*
 * Habits before a window change only when something is stored that happened before it. Events are
 * never changed, so their number tells: counting them takes milliseconds, the habits a fifth of a
 * second. Windows that begin in the same hour share an entry.
 */

const ENTRIES = 4
const HOUR_MS = 3_600_000

export type HabitReader = (window: Window) => Promise<Habits>

export function createHabitReader(engine: Engine): HabitReader {
  const entries = new Map<number, { events: string; habits: Promise<Habits> }>()

  return async (window) => {
    const hour = Math.floor(window.fromMs / HOUR_MS)
    const events = await countBefore(engine, hour * HOUR_MS)
    let entry = entries.get(hour)
    if (entry?.events !== events) {
      entry = { events, habits: readHabits(engine, window) }
      entries.delete(hour)
      const [oldest] = entries.keys()
      if (entries.size >= ENTRIES && oldest !== undefined) entries.delete(oldest)
      entries.set(hour, entry)
      entry.habits.catch(() => entries.delete(hour))
    }
    // A replay learns into what it is given.
    return copyOf(await entry.habits)
  }
}

async function countBefore(engine: Engine, ms: number): Promise<string> {
  const [row] = await engine.query<{ events: string }>(
    "SELECT count() AS events FROM events WHERE type = 'access' AND time < {before: DateTime64(3, 'UTC')}",
    { before: storeTime(ms) },
  )
  return row?.events ?? '0'
}

function copyOf(habits: Habits): Habits {
  const copies = (map: Map<string, Habit>) =>
    new Map([...map].map(([name, habit]) => [name, copyOfHabit(habit)]))
  return {
    subjects: copies(habits.subjects),
    roles: copies(habits.roles),
    everybody: copyOfHabit(habits.everybody),
    serviceSince: new Map(habits.serviceSince),
  }
}

function copyOfHabit(habit: Habit): Habit {
  return {
    ...habit,
    hours: habit.hours.slice(),
    accessHours: habit.accessHours.slice(),
    services: new Map(habit.services),
    volumes: habit.volumes.slice(),
  }
}
