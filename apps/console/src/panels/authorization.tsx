import type { AuthorizationMetricsResponse } from '@audience-bridge/contracts/analytics.ts'
import { useMemo } from 'react'
import type { Result } from '../api/analytics.ts'
import { StackedBars } from '../charts/stacked-bars.tsx'
import { formatCount, formatDuration, formatShare } from '../format.ts'
import { fillBuckets } from '../series.ts'
import { Bar } from '../ui/bar.tsx'
import { Name } from '../ui/name.tsx'
import { type Column, Table } from '../ui/table.tsx'
import { Tile } from '../ui/tile.tsx'
import { Empty, Panel } from './panel.tsx'

export function AuthorizationPanel({ query }: { query: Result<AuthorizationMetricsResponse> }) {
  return (
    <Panel
      id="authorization"
      title="Authorization"
      about={`Decisions for ${query.data?.service ?? 'crud'}: allowed, denied, or not mapped to a policy`}
      query={query}
    >
      {(data) => <Drawn data={data} />}
    </Panel>
  )
}

function Drawn({ data }: { data: AuthorizationMetricsResponse }) {
  const { totals } = data
  return (
    <>
      <dl className="tiles">
        <Tile
          label="Decisions"
          value={formatCount(totals.decisions)}
          note={`${formatCount(totals.allow)} allowed`}
          testId="authorization-decisions"
        />
        <Tile
          label="Deny rate"
          value={formatShare(totals.deny_rate)}
          note={`${formatCount(totals.deny)} denied`}
          {...(totals.deny > 0 ? { tone: 'bad' as const } : {})}
        />
        <Tile
          label="No mapping"
          value={formatCount(totals.no_mapping)}
          {...(totals.no_mapping > 0 ? { tone: 'warn' as const } : {})}
        />
        <Tile
          label="Latency p95"
          value={formatDuration(totals.latency_p95_ms)}
          note={`median ${formatDuration(totals.latency_p50_ms)}`}
        />
      </dl>
      {totals.decisions === 0 ? (
        <Empty>Nothing was decided in this time.</Empty>
      ) : (
        <>
          <DecisionsOverTime data={data} />
          <Table
            caption="By resource"
            columns={resourceColumns(Math.max(...data.by_resource.map(denyRate)))}
            rows={data.by_resource}
            rowKey={(row) => `${row.service} ${row.resource} ${row.action}`}
            initialSort={{ id: 'decisions', descending: true }}
          />
          {data.top_denials.length > 0 && (
            <Table
              caption="Most denials"
              columns={DENIAL_COLUMNS}
              rows={data.top_denials}
              rowKey={(row) => `${row.subject} ${row.reason}`}
              initialSort={{ id: 'denials', descending: true }}
            />
          )}
        </>
      )}
    </>
  )
}

function DecisionsOverTime({ data }: { data: AuthorizationMetricsResponse }) {
  const { series, from, to, interval } = data
  const { starts, stacks } = useMemo(() => {
    const buckets = fillBuckets(series, { from, to, interval }, (start) => ({
      start,
      allow: 0,
      deny: 0,
      no_mapping: 0,
    }))
    return {
      starts: buckets.map((bucket) => bucket.start),
      stacks: [
        { name: 'Denied', colour: 'bad', values: buckets.map((bucket) => bucket.deny) },
        { name: 'No mapping', colour: 'warn', values: buckets.map((bucket) => bucket.no_mapping) },
        { name: 'Allowed', colour: 'ok', values: buckets.map((bucket) => bucket.allow) },
      ] as const,
    }
  }, [series, from, to, interval])
  return (
    <StackedBars title="Decisions over time" starts={starts} interval={interval} stacks={stacks} />
  )
}

type Resource = AuthorizationMetricsResponse['by_resource'][number]

/** Bars compare the rows with each other, as in the workflows' table. */
const resourceColumns = (worst: number): readonly Column<Resource>[] => [
  {
    id: 'resource',
    header: 'Resource',
    sort: (row) => `${row.resource} ${row.action}`,
    cell: (row) => (
      <>
        <Name>{row.resource}</Name> <span className="times">{row.action}</span>
      </>
    ),
  },
  {
    id: 'decisions',
    header: 'Decisions',
    numeric: true,
    sort: (row) => row.decisions,
    cell: (row) => formatCount(row.decisions),
  },
  {
    id: 'denied',
    header: 'Denied',
    numeric: true,
    sort: denyRate,
    cell: (row) => (
      <span className="with-bar">
        {formatShare(denyRate(row))}
        <Bar value={worst === 0 ? 0 : denyRate(row) / worst} tone="bad" />
      </span>
    ),
  },
  {
    id: 'unmapped',
    header: 'No mapping',
    numeric: true,
    secondary: true,
    sort: (row) => row.no_mapping,
    cell: (row) => formatCount(row.no_mapping),
  },
]

function denyRate({ deny, decisions }: Resource): number {
  return decisions === 0 ? 0 : deny / decisions
}

type Denial = AuthorizationMetricsResponse['top_denials'][number]

const DENIAL_COLUMNS: readonly Column<Denial>[] = [
  {
    id: 'subject',
    header: 'Who',
    sort: (row) => row.subject ?? '',
    cell: (row) =>
      row.subject === null ? (
        <span className="none">not signed in</span>
      ) : (
        <Name>{row.subject}</Name>
      ),
  },
  { id: 'reason', header: 'Reason', sort: (row) => row.reason, cell: (row) => row.reason || '–' },
  {
    id: 'denials',
    header: 'Denials',
    numeric: true,
    sort: (row) => row.denials,
    cell: (row) => formatCount(row.denials),
  },
]
