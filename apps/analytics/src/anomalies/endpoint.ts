import { createHash } from 'node:crypto'
import type {
  AnomalousAccessPatternsQuery,
  AnomalousAccessPatternsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { Engine } from '../engine/engine.ts'
import { serviceNames, type Viewer } from '../queries/filter.ts'
import { instant, windowOf } from '../queries/window.ts'
import { readUnits, type WindowUnit } from './evidence.ts'
import { createHabitReader, type HabitReader } from './habit-cache.ts'
import { type Reason, reasonsOf } from './reasons.ts'
import { replay } from './replay.ts'
import { scoreOf, surpriseOf } from './score.ts'

/*
 * The anomaly method, from here: `evidence.ts` counts (SQL), `habit.ts` holds what is usual,
 * `replay.ts` walks through time so that nothing is judged by what came later, `score.ts` judges,
 * `reasons.ts` explains, and this file makes patterns of it. The method is deterministic: a unit's
 * score depends on the events before it and on nothing of the query, so neither the window nor the
 * viewer changes it, and later events never do. On labelled data see `bench/anomalies.ts`.
 */

export const METHOD = { name: 'habit-surprise', version: '1', minScore: 0.85 }

const MAX_DAYS = 92

interface Pattern {
  subject: string
  roles: Set<string>
  service: string
  firstMs: number
  lastMs: number
  lastHour: number
  events: number
  score: number
  reasons: Reason[]
}

type Ask = (
  query: AnomalousAccessPatternsQuery,
  viewer: Viewer,
  nowMs: number,
) => Promise<AnomalousAccessPatternsResponse>

/** The question "whose accesses were unusual, and why?" over one engine. */
export function createAnomalousAccessPatterns(engine: Engine): Ask {
  const readHabits = createHabitReader(engine)
  return (query, viewer, nowMs) => answer(engine, readHabits, query, viewer, nowMs)
}

async function answer(
  engine: Engine,
  readHabits: HabitReader,
  query: AnomalousAccessPatternsQuery,
  viewer: Viewer,
  nowMs: number,
): Promise<AnomalousAccessPatternsResponse> {
  const window = windowOf(query, nowMs)
  if (window.toMs - window.fromMs > MAX_DAYS * 24 * 3_600_000) {
    throw new ProblemError('BAD_REQUEST', `from, to: at most ${MAX_DAYS} days`)
  }
  const minScore = query.min_score ?? METHOD.minScore
  const [habits, units] = await Promise.all([readHabits(window), readUnits(engine, window)])

  // Everybody's units are learnt from; only those that the viewer may see are judged and counted.
  const services = query.service === undefined ? undefined : serviceNames(query.service)
  const wanted = (unit: WindowUnit) =>
    unit.counted > 0 &&
    (viewer.view === 'all' || unit.subject === viewer.subject) &&
    (query.subject === undefined || unit.subject === query.subject) &&
    (services === undefined || services.includes(unit.service))

  let evaluated = 0
  const patterns: Pattern[] = []
  const open = new Map<string, Pattern>()
  await replay(habits, units, wanted, (judged) => {
    const { unit } = judged
    evaluated += unit.counted
    const score = scoreOf(surpriseOf(judged.tails))
    if (score < minScore) return
    const key = JSON.stringify([unit.subject, unit.service])
    const before = open.get(key)
    if (before !== undefined && unit.hour - before.lastHour <= 1) {
      extend(before, unit)
      if (score <= before.score) return
      before.score = score
      before.reasons = reasonsOf(judged, viewer.view === 'all')
      return
    }
    const pattern = {
      subject: unit.subject,
      roles: new Set(unit.roles),
      service: unit.service,
      firstMs: unit.firstMs,
      lastMs: unit.lastMs,
      lastHour: unit.hour,
      events: unit.accesses,
      score,
      reasons: reasonsOf(judged, viewer.view === 'all'),
    }
    open.set(key, pattern)
    patterns.push(pattern)
  })

  patterns.sort((a, b) => b.score - a.score || b.lastMs - a.lastMs)
  return {
    from: instant(window.fromMs),
    to: instant(window.toMs),
    view: viewer.view,
    method: { name: METHOD.name, version: METHOD.version, min_score: minScore },
    evaluated_events: evaluated,
    patterns: patterns.slice(0, query.limit).map(rendered),
  }
}

/** Unusual hours in a row are one pattern: its reasons are those of the strangest. */
function extend(pattern: Pattern, unit: WindowUnit): void {
  for (const role of unit.roles) pattern.roles.add(role)
  pattern.lastMs = unit.lastMs
  pattern.lastHour = unit.hour
  pattern.events += unit.accesses
}

function rendered(pattern: Pattern): AnomalousAccessPatternsResponse['patterns'][number] {
  const identity = JSON.stringify([pattern.subject, pattern.service, pattern.firstMs])
  return {
    id: createHash('sha256').update(identity).digest('base64url').slice(0, 22),
    subject: pattern.subject,
    roles: [...pattern.roles].sort(),
    service: pattern.service,
    first_at: instant(pattern.firstMs),
    last_at: instant(pattern.lastMs),
    events: pattern.events,
    score: Math.round(pattern.score * 10_000) / 10_000,
    reasons: pattern.reasons,
  }
}
