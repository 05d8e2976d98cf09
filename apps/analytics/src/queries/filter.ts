import type { Params } from '../engine/engine.ts'
import { storeTime } from '../engine/time.ts'
import type { Window } from './window.ts'

/** Whose rows an answer may be made of. */
export type Viewer = { view: 'all' } | { view: 'own'; subject: string }

/** Readers see all rows, everybody else the own ones. */
export function viewerOf(
  token: { subject: string; roles: readonly string[] },
  readerRoles: readonly string[],
): Viewer {
  return token.roles.some((role) => readerRoles.includes(role))
    ? { view: 'all' }
    : { view: 'own', subject: token.subject }
}

const ALIAS_END = '_service'

/** `crud` and `crud_service` name one service; events may carry either. */
export function serviceNames(asked: string): string[] {
  const other = asked.endsWith(ALIAS_END) ? asked.slice(0, -ALIAS_END.length) : asked + ALIAS_END
  return other === '' ? [asked] : [asked, other]
}

export interface Filter {
  /** Conditions for a WHERE, constant text with bound parameters only. */
  where: string
  params: Params
}

/**
 * The rows of one event type that a query asks for and its viewer may see. The viewer's condition is
 * added beside the one on `subject`, never in its place: asking for somebody else's rows then finds
 * none.
 */
export function filterOf(
  type: 'access' | 'decision' | 'workflow',
  window: Window,
  asked: { service?: string | undefined; subject?: string | undefined },
  viewer: Viewer,
): Filter {
  const conditions = [
    'type = {type: String}',
    "time >= {from: DateTime64(3, 'UTC')}",
    "time < {to: DateTime64(3, 'UTC')}",
  ]
  const params: Record<string, Params[string]> = {
    type,
    from: storeTime(window.fromMs),
    to: storeTime(window.toMs),
  }
  if (asked.service !== undefined) {
    conditions.push('service IN {services: Array(String)}')
    params.services = serviceNames(asked.service.toWellFormed())
  }
  if (asked.subject !== undefined) {
    conditions.push('subject = {subject: String}')
    params.subject = asked.subject.toWellFormed()
  }
  if (viewer.view === 'own') {
    conditions.push('subject = {viewer: String}')
    params.viewer = viewer.subject
  }
  return { where: conditions.join(' AND '), params }
}

/** The bucket of a time in a grid, for GROUP BY; parameters `origin` and `size`. */
export function bucketOf(time: string): string {
  return `intDiv(toUnixTimestamp64Milli(${time}) - {origin: Int64}, {size: Int64})`
}

/** A count of the store, which comes as a string. */
export const count = (value: string | number) => Number(value)

/** `part` of `whole`, 0 of nothing. */
export function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
