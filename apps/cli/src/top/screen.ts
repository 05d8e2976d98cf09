import { type Latency, type Sort, sortRoutes, type TopView } from './view.ts'

/** A line of the screen, without colours, and how it is to look. */
export interface Line {
  text: string
  look?: 'head' | 'faint' | 'bad'
}

export interface ScreenOptions {
  url: string
  sort: Sort
  /** Undefined: as much as there is. */
  columns?: number | undefined
  rows?: number | undefined
  /** Why the newest answer is missing. */
  trouble?: string | undefined
  /** Keys that do something. */
  keys?: boolean
  /** Milliseconds since the epoch. */
  now: number
}

/** The screen as lines that fit into it. */
export function renderScreen(view: TopView, options: ScreenOptions): Line[] {
  const { columns = Number.POSITIVE_INFINITY, rows = Number.POSITIVE_INFINITY } = options
  const head = headOf(view, options)
  const routes = routeTable(view, options.sort)
  const services = serviceTable(view, options.now)
  const failures = failureTable(view)
  // What failed is never pushed out by what went well.
  const room = rows - head.length
  const failed = fit(failures, Math.max(4, Math.floor(room / 4)))
  const served = fit(services, Math.max(4, Math.floor((room - failed.length) / 2)))
  const lines = [
    ...head,
    ...fit(routes, room - failed.length - served.length),
    ...served,
    ...failed,
  ]
  return lines.slice(0, rows).map((line) => ({ ...line, text: cut(line.text, columns) }))
}

function headOf(view: TopView, { url, sort, trouble, keys }: ScreenOptions): Line[] {
  const { latency, sessions, channels, idp_up: idpUp } = view
  const seconds = view.seconds.toFixed(view.seconds < 10 ? 1 : 0)
  const state = [
    `${rate(view.per_second)} req/s`,
    `p50 ${ms(latency.p50)}  p95 ${ms(latency.p95)}  p99 ${ms(latency.p99)}`,
    `sessions ${sessions ?? '–'}`,
    `channels ${channels ?? '–'}`,
    `IdP ${idpUp === null ? '–' : idpUp ? 'up' : 'AWAY'}`,
  ]
  const faults = [
    ...(trouble === undefined ? [] : [trouble]),
    ...(view.config_refused ? ['the files on disk are malformed: what is in force is older'] : []),
    ...(view.broken_links > 0
      ? [`routes with a broken chain: ${view.broken_links} (bridge check)`]
      : []),
  ]
  return [
    {
      text: `bridge top  ${url}   over ${seconds} s   sorted by ${sort}${keys ? ' (s)   quit (q)' : ''}`,
      look: 'head',
    },
    { text: state.join('   '), ...(idpUp === false ? { look: 'bad' as const } : {}) },
    ...faults.map((text) => ({ text, look: 'bad' as const })),
  ]
}

function routeTable({ routes }: TopView, sort: Sort): Line[] {
  return table(
    ['ROUTE', 'REQ/S', 'P50', 'P95', 'P99', '4XX/S', '5XX/S', 'TOTAL'],
    sortRoutes(routes, sort).map((route) => ({
      cells: [
        ...[route.route, rate(route.per_second)],
        ...latencies(route.latency),
        ...[rate(route.client_errors_per_second), rate(route.server_errors_per_second)],
        String(route.total),
      ],
      look:
        route.server_errors_per_second > 0 ? 'bad' : route.per_second === 0 ? 'faint' : undefined,
    })),
  )
}

function serviceTable({ services }: TopView, now: number): Line[] {
  const rows = services.toSorted(
    (a, b) => b.per_second - a.per_second || a.service.localeCompare(b.service),
  )
  return table(
    [
      ...['SERVICE', 'ASKED/S', 'P50', 'P95', 'P99', 'UP'],
      ...['KEPT/S', 'MINTED/S', 'NONE/S', 'MINT P95', 'USED'],
    ],
    rows.map(({ service, per_second, upstream, tokens, mint, last_used: used, ...state }) => ({
      cells: [
        ...[service, rate(per_second)],
        ...latencies(upstream),
        standing(state),
        ...[rate(tokens.kept), rate(tokens.minted), rate(tokens.none), ms(mint.p95)],
        used === null ? 'never' : `${ago(now - Date.parse(used))} ago`,
      ],
      look: tokens.none > 0 || isDown(state) ? 'bad' : per_second === 0 ? 'faint' : undefined,
    })),
  )
}

type Standing = Pick<TopView['services'][number], 'upstreams' | 'suspended'>

/** How many of a service's addresses are asked. */
const standing = ({ upstreams, suspended }: Standing) =>
  suspended ? 'SUSPENDED' : upstreams === null ? '–' : `${upstreams.up}/${upstreams.all}`

const isDown = ({ upstreams, suspended }: Standing) =>
  suspended || (upstreams !== null && upstreams.up < upstreams.all)

function failureTable({ failures }: TopView): Line[] {
  const rows = failures.toSorted((a, b) => b.per_second - a.per_second || b.total - a.total)
  return table(
    ['FAILURE', 'SERVICE', 'PER S', 'TOTAL'],
    rows.map(({ code, service, per_second, total }) => ({
      cells: [code, service, rate(per_second), String(total)],
      look: per_second > 0 ? 'bad' : 'faint',
    })),
    2,
  )
}

interface Row {
  cells: string[]
  look: Line['look'] | undefined
}

/** Names to the left, figures to the right; nothing where there is no row. */
function table(heads: string[], rows: Row[], names = 1): Line[] {
  if (rows.length === 0) return []
  const clean = rows.map((row) => ({ ...row, cells: row.cells.map(printable) }))
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...clean.map(({ cells }) => cells[i]?.length ?? 0)),
  )
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (i < names ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return [
    { text: '' },
    { text: line(heads), look: 'head' },
    ...clean.map(({ cells, look }) => ({ text: line(cells), ...(look && { look }) })),
  ]
}

/** As many lines as there is room for; what is left out is counted. */
function fit(lines: Line[], room: number): Line[] {
  if (lines.length <= room) return lines
  if (room < 4) return []
  const left = lines.length - (room - 1)
  return [...lines.slice(0, room - 1), { text: `… ${left} more`, look: 'faint' }]
}

/** The attack: a name with an escape sequence, which the terminal of whoever looks would obey. */
const printable = (text: string) => text.replace(/\p{C}/gu, '?')

const cut = (text: string, columns: number) =>
  text.length > columns ? `${text.slice(0, Math.max(0, columns - 1))}…` : text

const rate = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1))

const latencies = ({ p50, p95, p99 }: Latency) => [ms(p50), ms(p95), ms(p99)]

function ms(value: number | null): string {
  if (value === null) return '–'
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`
  return `${value.toFixed(value >= 10 ? 0 : 1)} ms`
}

function ago(value: number): string {
  const seconds = Math.max(0, Math.round(value / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}
