import type { SessionResponse } from '@audience-bridge/contracts/session.ts'
import { QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { getJson, type SessionNews } from './api/client.ts'
import { ApiProblem, isRecord, isSessionLoss } from './api/problem.ts'

export type LiveSession = Extract<SessionResponse, { authenticated: true }>

const SESSION_POLL_MS = 60_000

/** Asked again when the page regains focus: another tab may have signed in or out meanwhile. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<SessionResponse> => {
    const answer = await getJson<SessionResponse>('/api/auth/session', signal)
    if (isRecord(answer) && typeof answer.authenticated === 'boolean') return answer
    throw new ApiProblem({
      code: 'ANSWER_INVALID',
      title: 'The answer could not be read',
      detail: '/api/auth/session did not say whether somebody is signed in.',
    })
  },
  staleTime: 5_000,
  refetchInterval: ({ state }) => (state.data?.authenticated ? SESSION_POLL_MS : false),
})

/**
 * Session loss, reported by whichever call met it first, turns the page into the sign-in screen and
 * stops there. Nothing here ever navigates to the login by itself: only the button does.
 */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (isSessionLoss(error)) client.setQueryData(sessionQuery.queryKey, SIGNED_OUT)
      },
    }),
    defaultOptions: { queries: { retry: false } },
  })
  return client
}

/** What the gateway tells by itself is shown at once; a session that has ended is not asked for. */
export function followNews(client: QueryClient, news: SessionNews): void {
  const { queryKey } = sessionQuery
  // Another login in this browser: somebody is signed in.
  if (news.type === 'ended' && news.reason !== 'login') client.setQueryData(queryKey, SIGNED_OUT)
  else void client.invalidateQueries({ queryKey })
}

const SIGNED_OUT: SessionResponse = { authenticated: false }
