import type { AdminSession, OwnSession } from '@audience-bridge/contracts/session.ts'
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { type Asked, key } from './admin.ts'
import { deleteAt, getJson } from './client.ts'

const POLL_MS = 15_000

/** The sessions of whoever looks, on any browser. */
export function ownSessionsQuery(asked: Asked) {
  return queryOptions({
    ...polled(asked),
    // Keyed by the user: who signs in next in this tab must not see the last one's.
    queryKey: ['own-sessions', asked.subject] as const,
    queryFn: ({ signal }) => getJson<{ sessions: OwnSession[] }>('/api/auth/sessions', signal),
  })
}

/** Who is signed in; the first page of it. */
export function allSessionsQuery(asked: Asked) {
  return queryOptions({
    ...polled(asked),
    queryKey: key(asked, ['sessions']),
    queryFn: ({ signal }) => {
      return getJson<{ sessions: AdminSession[]; count: number }>('/admin/sessions', signal)
    },
  })
}

export const endOwnSession = (id: string) => deleteAt(`/api/auth/sessions/${id}`)
export const endSession = (id: string) => deleteAt(`/admin/sessions/${id}`)

const polled = ({ live }: Asked) => ({
  staleTime: POLL_MS / 2,
  refetchInterval: live ? POLL_MS : (false as const),
  refetchOnWindowFocus: live,
  placeholderData: keepPreviousData,
})
