import { setImmediate } from 'node:timers/promises'
import { createHabit, type Habit, learn, type Observation } from './habit.ts'
import { type Levels, roleHourShares, type Tails, tailsOf } from './score.ts'

/** One subject's hour with one service, as the SQL counts it. */
export interface Unit extends Observation {
  subject: string
  roles: readonly string[]
  firstMs: number
  lastMs: number
}

export interface Judged<U extends Unit> {
  unit: U
  tails: Tails
  /** Before the unit; changes as the replay goes on, so read it at once. */
  levels: Levels
}

/** Everybody's habits up to some hour. */
export interface Habits {
  subjects: Map<string, Habit>
  roles: Map<string, Habit>
  everybody: Habit
  /** The hour in which anybody first used a service. */
  serviceSince: Map<string, number>
}

export function createHabits(): Habits {
  return {
    subjects: new Map(),
    roles: new Map(),
    everybody: createHabit(),
    serviceSince: new Map(),
  }
}

export function habitIn(map: Map<string, Habit>, name: string): Habit {
  let habit = map.get(name)
  if (habit === undefined) {
    habit = createHabit()
    map.set(name, habit)
  }
  return habit
}

/** Units between two turns of the event loop: some 10 ms. */
const SLICE = 2000

/**
 * Judges `units`, which must be in order of `hour`, and learns from them as time goes by: all units
 * of an hour are judged before any of them is learnt, so that nothing is judged by itself or by what
 * came later.
 *
 * @param wanted units to judge; the others are only learnt from.
 */
export async function replay<U extends Unit>(
  habits: Habits,
  units: readonly U[],
  wanted: (unit: U) => boolean,
  judge: (judged: Judged<U>) => void,
): Promise<void> {
  let start = 0
  let turn = SLICE
  while (start < units.length) {
    const hour = units[start]?.hour
    let end = start
    while (end < units.length && units[end]?.hour === hour) end += 1
    const now = units.slice(start, end)
    judgeHour(habits, now.filter(wanted), judge)
    learnHour(habits, now)
    if (end >= turn) {
      await setImmediate()
      turn = end + SLICE
    }
    start = end
  }
}

function judgeHour<U extends Unit>(
  habits: Habits,
  units: readonly U[],
  judge: (judged: Judged<U>) => void,
): void {
  const { everybody } = habits
  const shared = new Map<string, Pick<Levels, 'roles' | 'roleHours'>>()
  for (const unit of units) {
    const key = unit.roles.join(' ')
    let group = shared.get(key)
    if (group === undefined) {
      const roles = unit.roles.flatMap((name) => {
        const habit = habits.roles.get(name)
        return habit === undefined ? [] : [{ name, habit }]
      })
      group = { roles, roleHours: roleHourShares({ roles, everybody }) }
      shared.set(key, group)
    }
    const since = habits.serviceSince.get(unit.service)
    const levels = {
      ...group,
      own: habits.subjects.get(unit.subject) ?? createHabit(),
      everybody,
      serviceAge: since === undefined ? undefined : unit.hour - since,
    }
    judge({ unit, tails: tailsOf(levels, unit), levels })
  }
}

function learnHour(habits: Habits, units: readonly Unit[]): void {
  for (const unit of units) {
    learn(habitIn(habits.subjects, unit.subject), unit)
    for (const role of unit.roles) learn(habitIn(habits.roles, role), unit)
    learn(habits.everybody, unit)
    if (!habits.serviceSince.has(unit.service)) habits.serviceSince.set(unit.service, unit.hour)
  }
}
