import type { AdminSession, OwnSession } from '@audience-bridge/contracts/session.ts'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Result } from '../api/analytics.ts'
import { toProblem } from '../api/problem.ts'
import { endOwnSession, endSession } from '../api/sessions.ts'
import { formatAgo, formatClock, formatCount } from '../format.ts'
import { type Column, Table } from '../ui/table.tsx'
import { Empty, Panel } from './panel.tsx'

type Listed = Pick<OwnSession, 'id' | 'agent' | 'created_at' | 'seen_at' | 'expires_at'>

/** Where else the person is signed in. */
export function OwnSessionsPanel({ query }: { query: Result<{ sessions: OwnSession[] }> }) {
  const end = useEnd(endOwnSession)
  const first: Column<OwnSession> = {
    id: 'agent',
    header: 'Browser',
    sort: (row) => row.agent ?? '',
    cell: (row) => (
      <>
        {row.agent ?? 'Unknown'}
        {row.current && <span className="sub">This one</span>}
      </>
    ),
  }
  return (
    <Panel
      id="own-sessions"
      title="Your sessions"
      about="Where you are signed in; end what you do not know"
      query={query}
    >
      {({ sessions }) => (
        <>
          <Table
            caption="Browsers"
            columns={[
              first,
              ...times<OwnSession>(),
              ending<OwnSession>(end, ({ current }) => current),
            ]}
            rows={sessions}
            rowKey={({ id }) => id}
            initialSort={{ id: 'seen', descending: true }}
          />
          <Refused end={end} />
        </>
      )}
    </Panel>
  )
}

/** Who is signed in, for administrators. */
export function SessionsPanel({
  query,
}: {
  query: Result<{ sessions: AdminSession[]; count: number }>
}) {
  const end = useEnd(endSession)
  const first: Column<AdminSession> = {
    id: 'user',
    header: 'User',
    sort: (row) => row.name ?? row.sub,
    cell: (row) => (
      <>
        {row.name ?? row.sub}
        <span className="sub">
          {row.sub} · {row.agent ?? 'unknown browser'}
        </span>
      </>
    ),
  }
  return (
    <Panel
      id="sessions"
      title="Sessions"
      about="Who is signed in; ending a session revokes its grant at the identity provider, too"
      query={query}
    >
      {({ sessions, count }) =>
        sessions.length === 0 ? (
          <Empty>Nobody is signed in.</Empty>
        ) : (
          <>
            <Table
              caption={
                count > sessions.length
                  ? `${formatCount(sessions.length)} of ${formatCount(count)}; the command "npx bridge sessions --user" finds the others`
                  : 'All of them'
              }
              columns={[first, ...times<AdminSession>(), ending(end, () => false)]}
              rows={sessions}
              rowKey={({ id }) => id}
              initialSort={{ id: 'seen', descending: true }}
            />
            <Refused end={end} />
          </>
        )
      }
    </Panel>
  )
}

type End = ReturnType<typeof useEnd>

function useEnd(end: (id: string) => Promise<void>) {
  const client = useQueryClient()
  // What became of it is what the lists say, this session's own end included.
  return useMutation({ mutationFn: end, onSettled: () => client.invalidateQueries() })
}

function Refused({ end }: { end: End }) {
  if (end.error === null) return null
  return (
    <p className="reload-note" role="alert">
      The session could not be ended: {toProblem(end.error).title}.
    </p>
  )
}

function times<T extends Listed>(): Column<T>[] {
  return [
    {
      id: 'since',
      header: 'Since',
      numeric: true,
      secondary: true,
      sort: (row) => Date.parse(row.created_at),
      cell: (row) => formatClock(row.created_at, Date.now()),
    },
    {
      id: 'seen',
      header: 'Last seen',
      numeric: true,
      sort: (row) => Date.parse(row.seen_at),
      cell: (row) => formatAgo(row.seen_at, Date.now()),
    },
    {
      id: 'ends',
      header: 'Ends',
      numeric: true,
      secondary: true,
      sort: (row) => Date.parse(row.expires_at),
      cell: (row) => formatClock(row.expires_at, Date.now()),
    },
  ]
}

function ending<T extends Listed>(end: End, isOwn: (row: T) => boolean): Column<T> {
  return {
    id: 'end',
    header: 'End',
    cell: (row) =>
      isOwn(row) ? (
        ''
      ) : (
        <button
          type="button"
          className="button"
          aria-label={`End the session on ${row.agent ?? 'an unknown browser'}`}
          disabled={end.isPending}
          onClick={() => end.mutate(row.id)}
        >
          End
        </button>
      ),
  }
}
