import type { FailureCount } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { formatAgo, formatCount } from '../format.ts'
import { requestHref } from '../page.ts'
import { PageLink } from '../ui/page-link.tsx'
import { type Column, Table } from '../ui/table.tsx'
import { Empty, Panel } from './panel.tsx'

/** Anybody can make these, so they are counted by kind. */
export function FailuresPanel({ query }: { query: Result<{ failures: FailureCount[] }> }) {
  return (
    <Panel
      id="failures"
      title="Without a session"
      about="Refused calls of nobody in particular, counted by kind; the latest of a kind can be explained"
      query={query}
    >
      {({ failures }) =>
        failures.length === 0 ? (
          <Empty>No call without a session was refused.</Empty>
        ) : (
          <Table
            caption="By kind"
            columns={COLUMNS}
            rows={failures}
            rowKey={(row) => `${row.problem} ${row.method} ${row.route} ${row.status}`}
            initialSort={{ id: 'last', descending: true }}
          />
        )
      }
    </Panel>
  )
}

const COLUMNS: readonly Column<FailureCount>[] = [
  {
    id: 'kind',
    header: 'Kind',
    sort: (row) => row.problem,
    cell: (row) => (
      <>
        <PageLink className="row-link" to={requestHref(window.location.search, row.last_id)}>
          {row.problem || row.status}
        </PageLink>
        <span className="sub">
          {row.method} {row.route || 'no route'}
        </span>
      </>
    ),
  },
  {
    id: 'status',
    header: 'Status',
    numeric: true,
    sort: (row) => row.status,
    cell: (row) => row.status,
  },
  {
    id: 'count',
    header: 'Calls',
    numeric: true,
    sort: (row) => row.count,
    cell: (row) => formatCount(row.count),
  },
  {
    id: 'last',
    header: 'Last',
    numeric: true,
    sort: (row) => Date.parse(row.last_at),
    cell: (row) => formatAgo(row.last_at, Date.now()),
  },
]
