import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import { createEventWriter, DAY_MS, type EventWriter, MINUTE_MS } from './event-writer.ts'
import type { Organisation, Person } from './organisation.ts'
import { type Random, randomOf } from './random.ts'
import { SERVICES } from './services.ts'
import { WORKFLOW_PLANS, type WorkflowName } from './workflows.ts'

/** What makes one day differ from what the organisation always does. */
export interface DayPlan {
  /** People who are away and do nothing. */
  away(person: Person): boolean
  /** Multiplies the chance that this workflow's steps fail. */
  trouble(workflow: WorkflowName): number
}

/** An ordinary day of everybody. A night shift's events reach into the next day. */
export function dayEvents(organisation: Organisation, day: number, plan: DayPlan): BridgeEvent[] {
  const events: BridgeEvent[] = []
  for (const person of organisation.people) {
    if (plan.away(person)) continue
    const random = randomOf(organisation.seed, day, person.index)
    if (!worksOn(person, day, random)) continue
    const stream = `s${organisation.seed}-d${day}-p${person.index}`
    personDay(person, day, plan, random, createEventWriter(stream, random, events))
  }
  return events
}

function personDay(
  person: Person,
  day: number,
  plan: DayPlan,
  random: Random,
  writer: EventWriter,
): void {
  const { role } = person
  const call = (minute: number) => {
    const service = SERVICES[random.weighted(role.services).name]
    const operation = random.weighted(service.operations)
    const denied = random.chance(operation.denied)
    writer.call({ person, service, operation, denied, timeMs: day * DAY_MS + minute * MINUTE_MS })
  }
  for (let left = random.count(role.accessesADay * person.diligence); left > 0; left--) {
    call(minuteOfWork(person, random))
  }
  // People do stay late at times; a method that calls every such evening strange is of no use.
  if (role.shift.days === 'weekdays' && random.chance(0.03)) {
    for (let left = random.between(1, 3); left > 0; left--)
      call(person.shift.end + random.unit() * 150)
  }
  const { sittings } = role
  if (sittings !== undefined && random.chance(sittings.aDay)) {
    const start = minuteOfWork(person, random)
    const calls = random.between(...sittings.minutes) * sittings.callsAMinute
    for (let i = 0; i < calls; i++) call(start + (i + random.unit()) / sittings.callsAMinute)
  }
  for (let left = random.count(role.runsADay); left > 0; left--) {
    const { name } = random.weighted(role.workflows)
    const timeMs = day * DAY_MS + minuteOfWork(person, random) * MINUTE_MS
    writer.run({ person, workflow: WORKFLOW_PLANS[name], timeMs, trouble: plan.trouble(name) })
  }
}

/** Denser in the middle of the shift, with a break in it; even for who works around the clock. */
function minuteOfWork({ shift }: Person, random: Random): number {
  const length = shift.end - shift.start
  if (shift.days === 'every-day') return shift.start + random.unit() * length
  const share = (random.unit() + random.unit() + random.unit()) / 3
  const spread = random.chance(0.5) ? share : random.unit()
  const onBreak = spread > 0.44 && spread < 0.52
  return shift.start + (onBreak ? spread + 0.1 : spread) * length
}

function worksOn(person: Person, day: number, random: Random): boolean {
  const cycle = (day + person.phase) % 90
  const sick = random.chance(0.02)
  if (cycle < person.leaveDays || sick) return false
  switch (person.shift.days) {
    case 'every-day':
      return true
    case 'rotation':
      return (day + person.phase) % 7 < 4
    case 'six-days':
      return weekday(day) !== 0
    case 'weekdays':
      return isWeekday(day)
  }
}

/** 0 is Sunday; the first day of the epoch was a Thursday. */
export function weekday(day: number): number {
  return (day + 4) % 7
}

export function isWeekday(day: number): boolean {
  return weekday(day) !== 0 && weekday(day) !== 6
}
