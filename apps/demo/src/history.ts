import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import { createStory } from './anomalies.ts'
import { dayEvents } from './day.ts'
import { DAY_MS } from './event-writer.ts'
import type { Organisation } from './organisation.ts'

/**
 * The past of the organisation, a day at a time: 60 days are some 150,000 events, and one day of
 * them is in memory at once. An event depends on the seed, its day and — the planted ones — on
 * `anchorDay`, and on nothing else: any stretch of time can be generated again and comes out with
 * the same ids.
 */

export const HISTORY_DAYS = 60

export interface Stretch {
  /** The day (since the epoch, UTC) of the demo's first start. */
  anchorDay: number
  /** Exclusive, milliseconds since the epoch. */
  fromMs: number
  /** Inclusive. */
  untilMs: number
}

/** @yields the events of one day; days come in order, and so do the events of one. */
export function* history(
  organisation: Organisation,
  { anchorDay, fromMs, untilMs }: Stretch,
): Generator<{ events: BridgeEvent[]; day: number }> {
  const story = createStory(organisation, anchorDay)
  const within = ({ time }: BridgeEvent) => {
    const timeMs = Date.parse(time)
    return timeMs > fromMs && timeMs <= untilMs
  }
  const planted = story.anomalies.flatMap(({ events }) => events)
  // A night shift that began the day before reaches into the first day.
  for (let day = dayOf(fromMs) - 1; day <= dayOf(untilMs); day++) {
    const plantedToday = planted.filter(({ time }) => dayOf(Date.parse(time)) === day)
    const events = [...dayEvents(organisation, day, story.planFor(day)), ...plantedToday].filter(
      within,
    )
    events.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    yield { events, day }
  }
}

export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}
