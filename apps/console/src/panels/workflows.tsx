import type { WorkflowsResponse } from '@audience-bridge/contracts/analytics.ts'
import { useMemo } from 'react'
import type { Result } from '../api/analytics.ts'
import { StackedBars } from '../charts/stacked-bars.tsx'
import { formatAgo, formatCount, formatDuration, formatPlural, formatShare } from '../format.ts'
import { fillBuckets } from '../series.ts'
import { Bar } from '../ui/bar.tsx'
import { Name } from '../ui/name.tsx'
import { type Column, Table } from '../ui/table.tsx'
import { Tile } from '../ui/tile.tsx'
import { Empty, Panel } from './panel.tsx'

export function WorkflowsPanel({ query }: { query: Result<WorkflowsResponse> }) {
  return (
    <Panel
      id="workflows"
      title="Workflows"
      about="Runs, how long they took, and the steps that failed"
      query={query}
    >
      {(data) => <Drawn data={data} />}
    </Panel>
  )
}

function Drawn({ data }: { data: WorkflowsResponse }) {
  const { totals } = data
  const worst = Math.max(0, ...data.workflows.map((row) => row.failure_rate))
  return (
    <>
      <dl className="tiles">
        <Tile
          label="Runs"
          value={formatCount(totals.runs)}
          note={`${formatCount(totals.running)} running`}
          testId="workflows-runs"
        />
        <Tile
          label="Failure rate"
          value={formatShare(totals.failure_rate)}
          note={`${formatCount(totals.failed)} failed`}
          {...(totals.failed > 0 ? { tone: 'bad' as const } : {})}
        />
        <Tile label="Median duration" value={formatDuration(totals.duration_p50_ms)} />
        <Tile label="95th percentile" value={formatDuration(totals.duration_p95_ms)} />
      </dl>
      {totals.runs === 0 ? (
        <Empty>No workflow ran in this time.</Empty>
      ) : (
        <>
          <RunsOverTime data={data} />
          <Table
            caption="By workflow"
            columns={columns(worst, new Set(data.workflows.map((row) => row.service)).size > 1)}
            rows={data.workflows}
            rowKey={(row) => `${row.service} ${row.workflow}`}
            initialSort={{ id: 'failures', descending: true }}
          />
        </>
      )}
    </>
  )
}

function RunsOverTime({ data }: { data: WorkflowsResponse }) {
  const { series, from, to, interval } = data
  const { starts, stacks } = useMemo(() => {
    const buckets = fillBuckets(series, { from, to, interval }, (start) => ({
      start,
      runs: 0,
      succeeded: 0,
      failed: 0,
    }))
    return {
      starts: buckets.map((bucket) => bucket.start),
      stacks: [
        { name: 'Failed', colour: 'bad', values: buckets.map((bucket) => bucket.failed) },
        { name: 'Succeeded', colour: 'ok', values: buckets.map((bucket) => bucket.succeeded) },
      ] as const,
    }
  }, [series, from, to, interval])
  return <StackedBars title="Runs over time" starts={starts} interval={interval} stacks={stacks} />
}

type Row = WorkflowsResponse['workflows'][number]

/** Bars compare the rows with each other: real failure rates are too small to see on 0 to 100%. */
const columns = (worst: number, severalServices: boolean): readonly Column<Row>[] => [
  {
    id: 'workflow',
    header: 'Workflow',
    sort: (row) => row.workflow,
    cell: (row) => (
      <>
        <Name>{row.workflow}</Name>
        <span className="sub">
          {severalServices && `${row.service} · `}
          {formatAgo(row.last_run_at, Date.now())}
        </span>
      </>
    ),
  },
  {
    id: 'runs',
    header: 'Runs',
    numeric: true,
    sort: (row) => row.runs,
    cell: (row) => formatCount(row.runs),
  },
  {
    id: 'failures',
    header: 'Failed',
    numeric: true,
    sort: (row) => row.failure_rate,
    cell: (row) => (
      <span className="with-bar">
        {formatShare(row.failure_rate)}
        <Bar value={worst === 0 ? 0 : row.failure_rate / worst} tone="bad" />
      </span>
    ),
  },
  {
    id: 'p95',
    header: 'p95',
    numeric: true,
    sort: (row) => row.duration_p95_ms ?? -1,
    cell: (row) => formatDuration(row.duration_p95_ms),
  },
  {
    id: 'steps',
    header: 'Failing steps',
    secondary: true,
    cell: (row) => <FailingSteps steps={row.failing_steps} />,
  },
]

function FailingSteps({ steps }: { steps: Row['failing_steps'] }) {
  const [worst] = steps
  if (worst === undefined) return <span className="none">none</span>
  const others = steps.length - 1
  return (
    <>
      <span>
        {worst.step} <span className="times">×{formatCount(worst.failures)}</span>
        {others > 0 && <span className="none"> and {formatPlural(others, 'other')}</span>}
      </span>
      {worst.last_error !== null && <span className="sub">{worst.last_error}</span>}
    </>
  )
}
