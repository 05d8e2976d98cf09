import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import { type DayPlan, isWeekday, weekday } from './day.ts'
import { createEventWriter, DAY_MS, type EventWriter, MINUTE_MS } from './event-writer.ts'
import type { Organisation, Person } from './organisation.ts'
import { type Random, randomOf } from './random.ts'
import { type Operation, SERVICES, type Service } from './services.ts'
import { WORKFLOW_PLANS } from './workflows.ts'

/**
 * The planted anomalies: events that a detector should find, each labelled, all in the week before
 * `anchorDay` so that they are in the default window on the day of the first start. Besides them the
 * plan holds one trouble that is no anomaly of access: a workflow whose steps began to fail.
 */
export interface Story {
  anomalies: readonly Anomaly[]
  planFor(day: number): DayPlan
}

export interface Anomaly {
  label: string
  person: Person
  events: BridgeEvent[]
}

interface Scene {
  person: Person
  /** The last working day that is at least `back` days before the anchor. */
  workday(back: number): number
  writer: EventWriter
  random: Random
  label: string
}

const DORMANT_DAYS = 32
const TROUBLED_DAYS = 6
const TROUBLE = 9

export function createStory(organisation: Organisation, anchorDay: number): Story {
  const taken = new Set<Person>()
  const someone = (role: string): Person => {
    const candidates = organisation.people.filter((p) => p.role.name === role && !taken.has(p))
    const [first, ...rest] = candidates
    if (first === undefined) throw new Error(`nobody is left in the role ${role}`)
    const person = randomOf(organisation.seed, 'anomaly', taken.size).pick([first, ...rest])
    taken.add(person)
    return person
  }

  const plant = (label: string, role: string, act: (scene: Scene) => void): Anomaly => {
    const person = someone(role)
    const random = randomOf(organisation.seed, anchorDay, label)
    const events: BridgeEvent[] = []
    const stream = `s${organisation.seed}-a${anchorDay}-${label}`
    const writer = createEventWriter(stream, random, events)
    act({ person, workday: (back) => workdayBefore(anchorDay, back), writer, random, label })
    return { label, person, events }
  }

  const anomalies = [
    plant('night-access', 'accountant', (scene) => {
      burst(
        scene,
        scene.workday(2),
        2 * 60 + 13,
        { calls: 14, minutes: 80 },
        SERVICES.billing_service,
      )
    }),
    plant('mass-reading', 'sales', (scene) => {
      const only = SERVICES.hr_service.operations[0]
      burst(
        scene,
        scene.workday(3),
        11 * 60,
        { calls: 120, minutes: 22, only },
        SERVICES.hr_service,
      )
    }),
    plant('weekend-export', 'engineer', (scene) => {
      // The last Sunday, or the day before when it is one today: a week ago is out of the window.
      const weekendDay = anchorDay - (weekday(anchorDay) || 1)
      burst(scene, weekendDay, 4 * 60 + 5, { calls: 40, minutes: 35 }, SERVICES.crud_service)
    }),
    plant('foreign-pattern', 'hr-partner', (scene) => {
      for (let back = 5; back >= 3; back--) {
        burst(scene, anchorDay - back, 23 * 60, { calls: 12, minutes: 150 }, SERVICES.ops_service)
      }
    }),
    plant('denial-burst', 'support-agent', (scene) => {
      const volley = { calls: 45, minutes: 6, denied: true }
      burst(scene, scene.workday(1), 10 * 60 + 40, volley, SERVICES.hr_service)
    }),
    plant('borrowed-workstation', 'analyst', (scene) => {
      const workstation = someone('manager').workstation
      const visit = { calls: 18, minutes: 40, workstation }
      burst(scene, scene.workday(4), 12 * 60, visit, SERVICES.analytics_service)
    }),
    plant('dormant-return', 'engineer', (scene) => {
      burst(
        scene,
        scene.workday(2),
        21 * 60 + 20,
        { calls: 16, minutes: 55 },
        SERVICES.crud_service,
      )
    }),
    plant('refund-spree', 'accountant', ({ person, workday, writer, random, label }) => {
      for (let run = 0; run < 25; run++) {
        const minute = 19 * 60 + 30 + run * 2 + random.unit()
        const timeMs = workday(1) * DAY_MS + minute * MINUTE_MS
        writer.run({ person, workflow: WORKFLOW_PLANS['refund-review'], timeMs, label })
      }
    }),
  ]

  const dormant = anomalies.find(({ label }) => label === 'dormant-return')?.person
  const lately = (day: number, days: number) => day <= anchorDay && day > anchorDay - days
  return {
    anomalies,
    planFor: (day) => ({
      away: (person) => person === dormant && lately(day, DORMANT_DAYS),
      trouble: (workflow) =>
        workflow === 'nightly-export' && lately(day, TROUBLED_DAYS) ? TROUBLE : 1,
    }),
  }
}

function burst(
  { person, writer, random, label }: Scene,
  day: number,
  startMinute: number,
  shape: {
    calls: number
    minutes: number
    only?: Operation
    denied?: boolean
    workstation?: string
  },
  service: Service,
): void {
  for (let i = 0; i < shape.calls; i++) {
    const minute = startMinute + ((i + random.unit()) * shape.minutes) / shape.calls
    writer.call({
      person,
      service,
      operation: shape.only ?? random.weighted(service.operations),
      timeMs: day * DAY_MS + minute * MINUTE_MS,
      denied: shape.denied ?? false,
      ...(shape.workstation === undefined ? {} : { workstation: shape.workstation }),
      label,
    })
  }
}

function workdayBefore(anchorDay: number, back: number): number {
  let day = anchorDay - back
  while (!isWeekday(day)) day -= 1
  return day
}
