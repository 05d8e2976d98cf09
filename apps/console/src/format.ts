import type { Interval } from './range.ts'

/** The page speaks English, so its figures do too, whatever the browser's language. */
const LOCALE = 'en-GB'

const NONE = '–'
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const counts = new Intl.NumberFormat(LOCALE)
const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 2 })

/** In full up to a million; beyond, nobody reads the last digits of a figure that moves. */
export function formatCount(n: number): string {
  return Math.abs(n) < 1_000_000 ? counts.format(n) : compact.format(n)
}

/** For axes, where width is scarce. */
export function formatCompact(n: number): string {
  return Math.abs(n) < 10_000 ? counts.format(n) : compact.format(n)
}

/** A ratio as per cent. Never shows 0% for what happened, nor 100% for what did not always. */
export function formatShare(ratio: number): string {
  const percent = ratio * 100
  if (percent === 0) return '0%'
  if (percent < 0.1) return '<0.1%'
  if (percent > 99.9 && percent < 100) return '>99.9%'
  return `${percent < 10 ? trimZero(percent.toFixed(1)) : percent.toFixed(0)}%`
}

/** Two units at most: the second one still matters, a third never does. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return NONE
  if (ms < 9.95) return `${trimZero(ms.toFixed(1))} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59.95 * SECOND) return `${trimZero((ms / SECOND).toFixed(1))} s`
  if (ms < HOUR - SECOND / 2) return twoUnits(ms, MINUTE, 'min', SECOND, 's')
  if (ms < DAY - MINUTE / 2) return twoUnits(ms, HOUR, 'h', MINUTE, 'min')
  return twoUnits(ms, DAY, 'd', HOUR, 'h')
}

/** How long ago, coarsely, for "last run" columns. */
export function formatAgo(instant: string, now: number): string {
  const ms = now - Date.parse(instant)
  if (Number.isNaN(ms)) return NONE
  if (ms < MINUTE) return 'just now'
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`
  return `${Math.floor(ms / DAY)} d ago`
}

/** The time of day, with the date where it is not today's. */
export function formatClock(instant: string, now: number, timeZone?: string): string {
  const today = part(new Date(now), DATE, timeZone)
  const at = new Date(instant)
  if (Number.isNaN(at.getTime())) return NONE
  const time = part(at, TIME, timeZone)
  return part(at, DATE, timeZone) === today ? time : `${part(at, DATE, timeZone)}, ${time}`
}

/** As `formatClock`, to the second: for what is compared with a log. */
export function formatMoment(instant: string, now: number, timeZone?: string): string {
  const at = new Date(instant)
  if (Number.isNaN(at.getTime())) return NONE
  const time = formatSeconds(at.getTime(), timeZone)
  const date = part(at, DATE, timeZone)
  return date === part(new Date(now), DATE, timeZone) ? time : `${date}, ${time}`
}

export function formatSeconds(at: number, timeZone?: string): string {
  return part(new Date(at), { ...TIME, second: '2-digit' }, timeZone)
}

/** From first to last, without saying anything twice. */
export function formatSpan(first: string, last: string, timeZone?: string): string {
  const [a, b] = [new Date(first), new Date(last)]
  if (Number.isNaN(a.getTime()) || Number.isNaN(b.getTime())) return NONE
  const [dateA, dateB] = [part(a, DATE, timeZone), part(b, DATE, timeZone)]
  const [timeA, timeB] = [part(a, TIME, timeZone), part(b, TIME, timeZone)]
  if (dateA !== dateB) return `${dateA}, ${timeA} – ${dateB}, ${timeB}`
  return timeA === timeB ? `${dateA}, ${timeA}` : `${dateA}, ${timeA}–${timeB}`
}

/** A bucket by its whole name, for tooltips. Days and weeks are the server's, hence UTC. */
export function formatBucket(start: string, interval: Interval, timeZone?: string): string {
  const at = new Date(start)
  if (interval === 'week') return `Week of ${part(at, DATE, 'UTC')}`
  if (interval === 'day') return dayName(at, 'UTC')
  const end = new Date(at.getTime() + (interval === 'hour' ? HOUR : MINUTE))
  return `${dayName(at, timeZone)}, ${part(at, TIME, timeZone)}–${part(end, TIME, timeZone)}`
}

/**
 * The label under a bar, or nothing: hours are labelled every fourth on a day's axis, days where
 * they begin on a week's, and Mondays on a longer one.
 */
export function formatTick(
  start: string,
  interval: Interval,
  buckets: number,
  timeZone?: string,
): string {
  const at = new Date(start)
  if (interval === 'week') return part(at, DATE, 'UTC')
  if (interval === 'day') {
    const everyDay = buckets <= 10
    return everyDay || part(at, { weekday: 'short' }, 'UTC') === 'Mon' ? part(at, DATE, 'UTC') : ''
  }
  if (interval === 'minute') return at.getUTCMinutes() % 15 === 0 ? part(at, TIME, timeZone) : ''
  const hour = Number(part(at, { hour: '2-digit' }, timeZone))
  if (buckets > 48) return hour === 0 ? part(at, DATE, timeZone) : ''
  return hour % 4 === 0 ? part(at, TIME, timeZone) : ''
}

export function formatScore(score: number): string {
  return score.toFixed(2)
}

/** Evidence may be a number or words. */
export function formatEvidence(value: number | string): string {
  if (typeof value === 'string') return value
  if (value !== 0 && Math.abs(value) < 0.001) return '<0.001'
  return Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(3)))
}

/** `1 event`, `2 events`. */
export function formatPlural(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`
}

const DATE = { day: 'numeric', month: 'short' } as const
const TIME = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const

const formatters = new Map<string, Intl.DateTimeFormat>()

/** Making an `Intl` formatter costs far more than using one, and a chart asks for hundreds. */
function part(at: Date, options: Intl.DateTimeFormatOptions, timeZone?: string): string {
  const key = JSON.stringify([options, timeZone])
  let formatter = formatters.get(key)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat(LOCALE, timeZone ? { ...options, timeZone } : options)
    formatters.set(key, formatter)
  }
  return formatter.format(at)
}

/** Put together here: whether a comma parts the two depends on the browser's age. */
function dayName(at: Date, timeZone?: string): string {
  return `${part(at, { weekday: 'short' }, timeZone)} ${part(at, DATE, timeZone)}`
}

function twoUnits(ms: number, big: number, bigUnit: string, small: number, smallUnit: string) {
  const total = Math.round(ms / small)
  const ratio = big / small
  const rest = total % ratio
  const whole = `${Math.floor(total / ratio)} ${bigUnit}`
  return rest === 0 ? whole : `${whole} ${rest} ${smallUnit}`
}

function trimZero(fixed: string): string {
  return fixed.replace(/\.0$/, '')
}
